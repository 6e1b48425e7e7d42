#include "pump/service/pull_service.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log_field.h"
#include "base/logging.h"
#include "base/record.h"
#include "base/status.h"

namespace sluice::pump {
namespace {

constexpr uint64_t kCommitBytes = 24;

// What a job holds of a transaction: its commit and its prewrite, as it lies in the log.
uint64_t wire_bytes(const storage::OrderEntry& entry) {
  return kCommitBytes + entry.prewrite_bytes;
}

}  // namespace

PullService::PullService(CommitOrder& order, storage::Log& log, host::Worker& reader, PostToLoop post,
                         ByteBudget* budget, ByteUse use)
    : order_(order), log_(log), reader_(reader), post_(std::move(post)), budget_(budget), use_(use) {}

void PullService::on_room() {
  if (std::exchange(waits_for_room_, false)) on_advance();
}

void PullService::on_pull(const net::PeerPtr& peer, const net::PullRequest& request) {
  auto puller = std::make_shared<Puller>();
  puller->peer = peer;
  puller->cursor = request.after;
  if (budget_ != nullptr) {
    puller->holder = std::make_shared<ByteHolder>(*budget_, use_, kPullerBytesMin);
    if (puller->holder->bytes_min() == 0) {
      ++counters_.refused;
      return peer->close(absl::ResourceExhaustedError(
          fmt::format("no memory for another puller beside {}: try again later, or raise the pump's --memory-budget "
                      "(each keeps {} bytes of it)",
                      pullers_.size(), kPullerBytesMin)));
    }
  }
  // A puller that has everything is told so once: it can't know that there is no more.
  puller->told = ResolvedTs(request.after.value - std::min<uint64_t>(request.after.value, 1));
  pullers_[peer->id()] = puller;
  left_.erase(peer->hello().name);
  spdlog::info("puller came name={} peer={} after={}", log_field(peer->hello().name), peer->address(), request.after);
  on_credit(peer, request.credit_bytes);
}

void PullService::on_credit(const net::PeerPtr& peer, uint64_t bytes) {
  const auto found = pullers_.find(peer->id());
  if (found == pullers_.end()) return;
  constexpr int64_t kCreditMax = int64_t{1} << 40;  // whatever a peer claims to have room for
  int64_t& credit = found->second->credit_bytes;
  credit = std::min(kCreditMax, credit + static_cast<int64_t>(std::min<uint64_t>(bytes, kCreditMax)));
  serve(PullerPtr(found->second));
}

void PullService::on_drained(const net::PeerPtr& peer) {
  if (const auto found = pullers_.find(peer->id()); found != pullers_.end()) serve(PullerPtr(found->second));
}

void PullService::on_goodbye(const net::PeerPtr& peer) {
  const auto found = pullers_.find(peer->id());
  if (found == pullers_.end() || !found->second->end_sent || found->second->end_taken) return;
  found->second->end_taken = true;
  ++ends_taken_;
}

void PullService::on_closed(const net::PeerPtr& peer) {
  const auto found = pullers_.find(peer->id());
  if (found == pullers_.end()) return;
  const Puller& left = *found->second;
  if (!left.end_taken && left_.size() < kNamesMax) left_[peer->hello().name] = left.cursor;
  spdlog::info("puller left name={} peer={} cursor={}", log_field(peer->hello().name), peer->address(),
               found->second->cursor);
  found->second->gone = true;
  found->second->peer.reset();
  pullers_.erase(found);
}

void PullService::on_advance() {
  std::vector<PullerPtr> all;
  for (const auto& [id, puller] : pullers_) all.push_back(puller);
  for (const PullerPtr& puller : all) serve(puller);
}

void PullService::open() {
  if (std::exchange(open_, true)) return;
  on_advance();
}

void PullService::send_ready(Puller& puller) {
  if (puller.ready.empty() || puller.peer->queued_bytes() >= kQueuedBytesMax) return;
  counters_.bytes += puller.ready.size();
  puller.credit_bytes -= static_cast<int64_t>(puller.ready.size());
  puller.peer->send_data(std::exchange(puller.ready, {}));
}

void PullService::serve(const PullerPtr& puller) {
  if (puller->gone || puller->reading || puller->held || !open_) return;
  send_ready(*puller);
  settle_memory(*puller);
  if (!puller->ready.empty()) return;  // on_drained() goes on
  if (puller->begun) return start_job(puller, plan(*puller, {}));
  std::vector<storage::OrderEntry> entries;
  if (puller->credit_bytes > 0) entries = order_.index().range(puller->cursor, order_.resolved(), kJobTransactionsMax);
  if (!entries.empty()) return start_job(puller, plan(*puller, std::move(entries)));
  if (puller->credit_bytes > 0 || order_.index().range(puller->cursor, order_.resolved(), 1).empty())
    tell_resolved(*puller);
}

void PullService::tell_resolved(Puller& puller) {
  // A puller ahead of us (it knows more than this life has published) hears nothing until we have caught up.
  if (order_.resolved() > puller.told) {
    puller.told = order_.resolved();
    puller.peer->send_resolved(puller.told);
  }
  if (final_ts_ && any_ts(order_.resolved()) >= any_ts(*final_ts_) && !std::exchange(puller.end_sent, true))
    puller.peer->send_end(*final_ts_);
}

PullService::Job PullService::plan(const Puller& puller, std::vector<storage::OrderEntry> entries) {
  if (puller.begun) {
    const uint64_t left = puller.begun->prewrite_bytes;  // at most: what is read of it isn't counted
    return {.entries = {*puller.begun}, .goes_on = puller.read_to, .bytes = std::min(kJobBytes, left)};
  }
  const auto room = std::min<uint64_t>(kJobBytes, static_cast<uint64_t>(puller.credit_bytes));
  uint64_t bytes = 0;
  size_t count = 0;
  while (count < entries.size() && (count == 0 || bytes + wire_bytes(entries[count]) <= room))
    bytes += wire_bytes(entries[count++]);
  entries.resize(count);
  return {.entries = std::move(entries), .goes_on = std::nullopt, .bytes = std::min(kJobBytes, bytes)};
}

void PullService::start_job(const PullerPtr& puller, Job job) {
  if (!reserve(*puller, job.bytes)) return;  // on_room() or on_drained() goes on
  puller->reading = true;
  reader_.run([this, puller, job = std::move(job), &log = log_, post = post_] {
    auto haul = std::make_shared<Haul>(read(log, job));
    post([this, puller, haul] { take(puller, std::move(*haul)); });
  });
}

bool PullService::reserve(Puller& puller, uint64_t bytes) {
  if (!puller.holder) return true;
  if (!puller.memory) puller.memory = puller.holder->try_reserve(0);
  if (puller.memory.try_grow(bytes)) return true;
  waits_for_room_ = true;
  return false;
}

void PullService::settle_memory(Puller& puller) {
  if (!puller.memory) return;
  const uint64_t bytes = puller.peer->queued_bytes() + puller.ready.size();
  puller.memory.shrink(puller.memory.bytes() - std::min(puller.memory.bytes(), bytes));
}

PullService::Haul PullService::read(storage::Log& log, const Job& job) {
  Haul haul;
  haul.run.reserve(job.bytes);
  for (const storage::OrderEntry& entry : job.entries) {
    const size_t before = haul.run.size();
    storage::PrewriteCursor cursor{.next = entry.prewrite};
    if (job.goes_on)
      cursor = *job.goes_on;
    else
      encode_commit(entry.start_ts, entry.commit_ts, haul.run);
    haul.status = log.read_prewrite_piece(cursor, job.bytes - haul.run.size(), haul.run);
    if (!haul.status.ok()) {
      haul.run.resize(before);
      haul.failed_at = entry.commit_ts;
      break;
    }
    if (!cursor.done) {
      haul.begun = entry;
      haul.read_to = cursor;
      break;
    }
    haul.through = entry.commit_ts;
    ++haul.transactions;
  }
  return haul;
}

void PullService::take(const PullerPtr& puller, Haul haul) {
  puller->reading = false;
  if (puller->gone) return;
  if (haul.transactions > 0) puller->cursor = haul.through;
  counters_.transactions += haul.transactions;
  puller->begun = haul.begun;
  puller->read_to = haul.read_to;
  puller->ready = std::move(haul.run);
  if (haul.status.ok()) return serve(puller);
  spdlog::error("a transaction can't be read from the log commit_ts={} puller={} error=\"{}\"", haul.failed_at,
                log_field(puller->peer->hello().name), message_of(haul.status));
  if (!absl::IsDataLoss(haul.status))
    return puller->peer->close(annotate(haul.status, fmt::format("reading commit ts {}", haul.failed_at)));
  puller->held = true;
  ++counters_.gaps;
  if (!puller->ready.empty()) puller->peer->send_data(std::exchange(puller->ready, {}));
  puller->peer->send_gap({.kind = net::GapKind::data_loss,
                          .after = puller->cursor,
                          .first_available = haul.failed_at,
                          .text = std::string(message_of(haul.status))});
}

void PullService::end(CommitTs final_ts) {
  if (final_ts_ == final_ts) return;
  final_ts_ = final_ts;
  on_advance();
}

std::string PullService::unconsumed() const {
  for (const auto& [id, puller] : pullers_)
    if (!puller->end_taken)
      return fmt::format("drainer {} ({}) {} at commit ts {}", puller->peer->hello().name, puller->peer->address(),
                         puller->held ? "which holds at a gap" : "which is", puller->cursor);
  if (!left_.empty())
    return fmt::format("drainer {}, which left at commit ts {}, to come back", left_.begin()->first,
                       left_.begin()->second);
  if (ends_taken_ == 0 && order_.index().size() != 0)
    return fmt::format("a drainer to take the {} transactions that lie here", order_.index().size());
  return {};
}

std::vector<PullService::PullerStatus> PullService::pullers() const {
  std::vector<PullerStatus> list;
  for (const auto& [id, puller] : pullers_)
    list.push_back({.name = puller->peer->hello().name,
                    .address = puller->peer->address(),
                    .cursor = puller->cursor,
                    .credit_bytes = puller->credit_bytes,
                    .held = puller->held});
  return list;
}

}  // namespace sluice::pump
