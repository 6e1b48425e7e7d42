#include "pump/service/ingest.h"

#include <algorithm>

#include "base/assert.h"
#include "base/logging.h"
#include "base/status.h"

namespace sluice::pump {
namespace {

using net::NackReason;
using Verdict = Admission::Verdict;

// A stray is the writer's to say too: it alone may know that a transaction of unknown outcome here went elsewhere.
bool is_pumps_own(RecordKind kind) {
  return kind == RecordKind::decided_commit || kind == RecordKind::decided_rollback || kind == RecordKind::abort;
}

// Whether sending the same record again, here later or to another pump, can succeed.
bool is_retryable(NackReason reason) {
  switch (reason) {
    case NackReason::no_space:
    case NackReason::not_online:
    case NackReason::read_only:
    case NackReason::no_oracle:
    case NackReason::unknown_outcome:
      return true;
    case NackReason::commit_too_low:
    case NackReason::ahead_of_oracle:
    case NackReason::aborted:
    case NackReason::unknown_prewrite:
    case NackReason::bad_record:
    case NackReason::wrong_time:
      return false;
  }
  return false;
}

Admission refusal(NackReason reason, std::string text) {
  return {.verdict = Verdict::refuse, .reason = reason, .text = std::move(text)};
}

// Joins refusals of one kind that follow each other, so that a run refused whole costs one frame.
class NackJoiner {
 public:
  explicit NackJoiner(net::Peer& peer) : peer_(peer) {}
  ~NackJoiner() { flush(); }
  NackJoiner(const NackJoiner&) = delete;
  NackJoiner& operator=(const NackJoiner&) = delete;

  void add(uint64_t sequence, Admission admission) {
    if (open_ && nack_.last + 1 == sequence && nack_.reason == admission.reason && nack_.text == admission.text) {
      nack_.last = sequence;
      return;
    }
    flush();
    open_ = true;
    nack_ = {.first = sequence,
             .last = sequence,
             .reason = admission.reason,
             .retryable = is_retryable(admission.reason),
             .text = std::move(admission.text)};
  }

 private:
  void flush() {
    if (std::exchange(open_, false)) peer_.send_nack(nack_);
  }

  net::Peer& peer_;
  net::Nack nack_;
  bool open_ = false;
};

}  // namespace

Ingest::WriterPtr Ingest::writer_of(const net::PeerPtr& peer) {
  WriterPtr& writer = writers_[peer->id()];
  if (!writer) {
    writer = std::make_shared<Writer>();
    writer->peer = peer;
  }
  return writer;
}

void Ingest::on_write(const net::PeerPtr& peer, uint64_t first, std::string bytes, ByteReservation held) {
  const WriterPtr writer = writer_of(peer);
  Run run;
  run.first = first;
  run.bytes = std::move(bytes);
  run.arrived = clock_.now();
  run.held = std::move(held);
  // The views survive moves of the run: a record is longer than what a string keeps in itself.
  const absl::Status whole =
      for_each_record(as_bytes(run.bytes), {.verify_body = false}, [&](const RecordView& record) {
        run.records.push_back(record);
        run.largest = std::max({run.largest, Tso(record.header.start_ts), Tso(record.header.commit_ts)});
        return absl::OkStatus();
      });
  if (!whole.ok()) return peer->close(annotate(whole, "write"));
  if (run.records.empty()) return;
  // Small records cost more in views than in bytes.
  if (run.held) run.held.grow(run.records.capacity() * sizeof(RecordView));
  ++counters_.runs;
  counters_.records += run.records.size();
  counters_.bytes += run.bytes.size();
  writer->waiting.push_back(std::move(run));
  drain(writer);
}

void Ingest::drain(const WriterPtr& writer) {
  if (writer->draining) return;
  writer->draining = true;
  bool stuck = writer->asking;
  while (!stuck && !writer->waiting.empty() && !writer->gone) {
    if (queued_bytes_ >= options_.queue_bytes_max && !failure_) {
      counters_.pauses += writer->reading ? 1 : 0;
      stuck = true;
    } else if (!oracle_allows(writer, writer->waiting.front())) {
      stuck = true;
    } else {
      Run run = std::move(writer->waiting.front());
      writer->waiting.pop_front();
      process(*writer, run);
    }
  }
  writer->draining = false;
  if (writer->gone) return;
  set_reading(*writer, !stuck);
  finish_if_done(*writer);
}

bool Ingest::oracle_allows(const WriterPtr& writer, Run& run) {
  if (run.oracle_asked || !time_.has_oracle() || run.largest <= time_.newest()) return true;
  run.oracle_asked = true;
  writer->asking = true;
  time_.ask([this, weak = std::weak_ptr(writer)](const absl::StatusOr<Tso>& answer) {
    const WriterPtr asked = weak.lock();
    if (!asked || asked->waiting.empty()) return;
    asked->waiting.front().oracle_failed = answer.status();
    asked->asking = false;
    drain(asked);  // does nothing when the answer came at once, inside a drain
  });
  return !writer->asking;
}

std::optional<Admission> Ingest::refuse_early(const Run& run, const RecordHeader& header) const {
  if (is_pumps_own(header.kind))
    return refusal(NackReason::bad_record, "decided commits, decided rollbacks and aborts are the pump's own records");
  if (header.is_payload() && state_ != NodeState::online)
    return refusal(NackReason::not_online, fmt::format("not online but {}: write to another pump", to_string(state_)));
  // What is here already is repeated freely: its writer waits for that ack before it ends the transaction.
  if (header.is_payload() && order_.sorter().unfinished_count() >= options_.open_max &&
      !order_.sorter().is_unfinished(StartTs(header.start_ts)))
    return refusal(NackReason::no_space,
                   fmt::format("{} prewrites are open, no more fit the memory budget: send their commits or rollbacks, "
                               "then try again",
                               options_.open_max));
  if (header.kind == RecordKind::progress && time_.source() != net::TimeSource::writer)
    return refusal(NackReason::wrong_time, fmt::format("progress {} was sent to a pump whose time source is {}",
                                                       header.start_ts, to_string(time_.source())));
  const uint64_t largest = std::max(header.start_ts, header.commit_ts);
  if (time_.source() == net::TimeSource::writer) return refuse_far_ahead(largest);
  if (!time_.has_oracle() || Tso(largest) <= time_.newest()) return std::nullopt;
  // An old answer can't tell a timestamp from the future from one that was given out since.
  if (!run.oracle_failed.ok())
    return refusal(NackReason::no_oracle,
                   fmt::format("timestamp {} can't be judged, the oracle gave no fresh answer; it is retried: {}",
                               largest, message_of(run.oracle_failed)));
  return refusal(NackReason::ahead_of_oracle,
                 fmt::format("timestamp {} is above the oracle's {}: take timestamps from this cluster's oracle",
                             largest, time_.newest()));
}

void Ingest::process(Writer& writer, Run& run) {
  Unacked entry{.writer = writer.peer->id(), .first = UINT64_MAX, .last = 0, .arrived = run.arrived};
  entry.held = std::move(run.held);
  if (failure_) {
    entry.first = run.first;
    entry.last = run.first + run.records.size() - 1;
    return refuse(writer, entry, *failure_);
  }
  publish_once();
  std::vector<ByteSpan> taken;
  std::string progress;
  size_t progress_before = 0;  // of `taken`
  {
    NackJoiner nacks(*writer.peer);
    for (size_t i = 0; i < run.records.size(); ++i) {
      const RecordHeader& header = run.records[i].header;
      auto early = refuse_early(run, header);
      if (!early && header.completes_prewrite() && progress.empty()) {
        progress = persist_publish();
        progress_before = taken.size();
      }
      Admission admission = early ? *std::move(early) : order_.sorter().admit(header);
      if (admission.verdict == Verdict::refuse) {
        ++counters_.refused;
        nacks.add(run.first + i, std::move(admission));
        continue;
      }
      if (admission.accepted()) taken.push_back(run.records[i].bytes);
      entry.first = std::min(entry.first, run.first + i);
      entry.last = run.first + i;
    }
  }
  if (entry.last == 0) {
    order_.sorter().withdraw();
    if (options_.on_settled) options_.on_settled(clock_.now() - run.arrived, false);
    return;
  }
  std::string accepted;
  if (taken.size() == run.records.size() && progress.empty()) {
    accepted = std::move(run.bytes);
  } else {
    if (!progress.empty()) taken.insert(taken.begin() + static_cast<ptrdiff_t>(progress_before), as_bytes(progress));
    for (const ByteSpan bytes : taken) accepted += as_text(bytes);
  }
  run.records = {};
  if (entry.held) entry.held.shrink(entry.held.bytes() - std::min<uint64_t>(entry.held.bytes(), accepted.size()));
  append(writer, std::move(entry), std::move(accepted));
}

std::optional<Admission> Ingest::refuse_far_ahead(uint64_t largest) const {
  const uint64_t now_ms = wall_ms(clock_);
  const uint64_t latest_ms = now_ms + static_cast<uint64_t>(options_.writer_time_lead_max.count());
  if (Tso(largest).physical_ms() <= latest_ms) return std::nullopt;
  return refusal(
      NackReason::wrong_time,
      fmt::format("timestamp {} is of {} ms since the epoch, this pump's clock says {} ms and takes "
                  "timestamps up to {} ms (--writer-time-lead-max): take timestamps from the cluster's clock, "
                  "or set this machine's",
                  largest, Tso(largest).physical_ms(), now_ms, latest_ms));
}

void Ingest::publish_once() {
  // What an earlier life published before it died is below a fresh answer, and the log may not know it.
  if (published_once_ || !time_.has_oracle() || time_.newest() == Tso()) return;
  published_once_ = true;
  (void)order_.sorter().publish(time_.newest());  // refused while something is open: its bound covers what was told
}

std::string Ingest::persist_publish() {
  std::string progress;
  const std::optional<Tso> published = order_.sorter().unpersisted_publish();
  if (!published) return progress;
  const Admission kept = order_.sorter().admit({.kind = RecordKind::progress, .start_ts = published->value});
  SLUICE_ASSERT(kept.accepted(), "published={} reason={}", *published, kept.text);
  encode_progress(*published, progress);
  return progress;
}

void Ingest::append(Writer& writer, Unacked entry, std::string accepted) {
  entry.bytes = accepted.size();
  if (accepted.empty()) {
    // Only repeats: acked once everything before is durable, the first copies included.
    entry.ticket = last_ticket_;
  } else {
    const absl::StatusOr<storage::Ticket> ticket = log_.append(std::move(accepted));
    append_refused_ = absl::IsResourceExhausted(ticket.status()) ? std::string(ticket.status().message()) : "";
    if (!ticket.ok()) {
      order_.sorter().withdraw();
      return refuse(writer, entry, ticket.status());
    }
    entry.ticket = last_ticket_ = *ticket;
  }
  order_.sorter().keep();
  queued_bytes_ += entry.bytes;
  ++writer.unacked;
  const bool durable = entry.ticket <= durable_through_;
  unacked_.push_back(std::move(entry));
  if (durable) on_durable(durable_through_);
}

void Ingest::refuse(Writer& writer, const Unacked& entry, const absl::Status& why) {
  const bool no_space = absl::IsResourceExhausted(why);
  counters_.refused += entry.last - entry.first + 1;
  writer.peer->send_nack({.first = entry.first,
                          .last = entry.last,
                          .reason = no_space ? NackReason::no_space : NackReason::read_only,
                          .retryable = true,
                          .text = std::string(message_of(why))});
  if (options_.on_settled) options_.on_settled(clock_.now() - entry.arrived, false);
}

void Ingest::refuse_in_flight(Writer& writer, const Unacked& entry, const absl::Status& why) {
  counters_.refused += entry.last - entry.first + 1;
  writer.peer->send_nack(
      {.first = entry.first,
       .last = entry.last,
       .reason = NackReason::unknown_outcome,
       .retryable = true,
       .text = fmt::format("the log failed while this was being written, so it may be durable here: send it to this "
                           "pump again after its restart; if it is written through another pump in between, tell this "
                           "one (stray): {}",
                           message_of(why))});
  if (options_.on_settled) options_.on_settled(clock_.now() - entry.arrived, false);
}

void Ingest::on_durable(storage::Ticket through) {
  durable_through_ = std::max(durable_through_, through);
  while (!unacked_.empty() && unacked_.front().ticket <= durable_through_) {
    const Unacked entry = std::move(unacked_.front());
    unacked_.pop_front();
    queued_bytes_ -= entry.bytes;
    if (options_.on_settled) options_.on_settled(clock_.now() - entry.arrived, true);
    const auto found = writers_.find(entry.writer);
    if (found == writers_.end()) continue;
    Writer& writer = *found->second;
    --writer.unacked;
    writer.ack_through = entry.last;
    if (!std::exchange(writer.ack_due, true)) due_.push_back(found->second);
  }
  send_due_acks();
  // Well below the limit, so that reading isn't switched at each event.
  if (queued_bytes_ < options_.queue_bytes_max / 2) drain_all();
}

void Ingest::send_due_acks() {
  for (const WriterPtr& writer : std::exchange(due_, {})) {
    writer->ack_due = false;
    if (writer->gone) continue;
    writer->peer->send_ack(writer->ack_through);
    finish_if_done(*writer);
  }
}

void Ingest::drain_all() {
  std::vector<WriterPtr> stuck;
  for (const auto& [id, writer] : writers_)
    if (!writer->waiting.empty() && !writer->asking) stuck.push_back(writer);
  for (const WriterPtr& writer : stuck) drain(writer);
}

void Ingest::on_log_failed(const absl::Status& why) {
  spdlog::error("the log takes no more writes, pulls go on; restart the pump once the disk is sound error=\"{}\"",
                message_of(why));
  failure_ = why;
  for (const Unacked& entry : std::exchange(unacked_, {})) {
    const auto found = writers_.find(entry.writer);
    if (found == writers_.end()) continue;
    --found->second->unacked;
    refuse_in_flight(*found->second, entry, why);
  }
  queued_bytes_ = 0;
  drain_all();
  for (const auto& [id, writer] : writers_) finish_if_done(*writer);
}

bool Ingest::idle() const {
  return unacked_.empty() &&
         std::all_of(writers_.begin(), writers_.end(), [](const auto& w) { return w.second->waiting.empty(); });
}

void Ingest::set_reading(Writer& writer, bool reading) {
  if (writer.reading == reading) return;
  writer.reading = reading;
  writer.peer->set_reading(reading);
}

void Ingest::finish_if_done(Writer& writer) {
  if (!writer.leaving || writer.gone || writer.unacked != 0 || !writer.waiting.empty()) return;
  writer.leaving = false;
  writer.peer->send_goodbye();
}

void Ingest::on_goodbye(const net::PeerPtr& peer) {
  const WriterPtr writer = writer_of(peer);
  writer->leaving = true;
  finish_if_done(*writer);
}

void Ingest::on_closed(const net::PeerPtr& peer) {
  const auto found = writers_.find(peer->id());
  if (found == writers_.end()) return;
  found->second->gone = true;
  found->second->peer.reset();
  writers_.erase(found);
}

}  // namespace sluice::pump
