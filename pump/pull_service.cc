#include "pump/pull_service.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log_field.h"
#include "base/logging.h"
#include "base/record.h"
#include "base/status.h"

namespace sluice::pump {
namespace {

constexpr uint64_t kCommitBytes = 24;

// What a job holds: each prewrite, as it lies in the log, and its commit.
uint64_t job_bytes(const std::vector<storage::OrderEntry>& entries) {
  uint64_t bytes = 0;
  for (const storage::OrderEntry& entry : entries) bytes += entry.prewrite_bytes + kCommitBytes;
  return bytes;
}

// Cuts a run between records so that no piece of several records passes `bytes_max`.
void cut_run(std::string run, uint64_t bytes_max, std::deque<std::string>& out) {
  if (run.size() <= bytes_max) return out.push_back(std::move(run));
  size_t begin = 0;
  size_t at = 0;
  // The log has verified every record that it returned.
  const absl::Status whole = for_each_record(as_bytes(run), {.verify_body = false}, [&](const RecordView& record) {
    if (at > begin && at + record.bytes.size() - begin > bytes_max) {
      out.push_back(run.substr(begin, at - begin));
      begin = at;
    }
    at += record.bytes.size();
    return absl::OkStatus();
  });
  SLUICE_ASSERT(whole.ok(), "{}", message_of(whole));
  out.push_back(run.substr(begin));
}

}  // namespace

PullService::PullService(CommitOrder& order, storage::Log& log, Worker& reader, PostToLoop post, ByteBudget* budget,
                         ByteUse use)
    : order_(order), log_(log), reader_(reader), post_(std::move(post)), budget_(budget), use_(use) {}

void PullService::on_room() {
  if (std::exchange(waits_for_room_, false)) on_advance();
}

void PullService::on_pull(const net::PeerPtr& peer, const net::PullRequest& request) {
  auto puller = std::make_shared<Puller>();
  puller->peer = peer;
  puller->cursor = request.after;
  if (budget_ != nullptr) puller->holder = std::make_shared<ByteHolder>(*budget_, use_, 0);
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
  while (!puller.ready.empty() && puller.peer->queued_bytes() < kQueuedBytesMax) {
    counters_.bytes += puller.ready.front().size();
    puller.credit_bytes -= static_cast<int64_t>(puller.ready.front().size());
    puller.peer->send_data(std::move(puller.ready.front()));
    puller.ready.pop_front();
  }
}

void PullService::serve(const PullerPtr& puller) {
  if (puller->gone || puller->reading || puller->held || !open_) return;
  send_ready(*puller);
  settle_memory(*puller);
  if (!puller->ready.empty()) return;  // on_drained() goes on
  std::vector<storage::OrderEntry> entries;
  if (puller->credit_bytes > 0) entries = order_.index().range(puller->cursor, order_.resolved(), kJobTransactionsMax);
  if (!entries.empty()) return start_job(puller, std::move(entries));
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

void PullService::start_job(const PullerPtr& puller, std::vector<storage::OrderEntry> entries) {
  const auto budget = std::min<uint64_t>(kJobBytes, static_cast<uint64_t>(puller->credit_bytes));
  uint64_t bytes = 0;
  size_t count = 0;
  while (count < entries.size() && (count == 0 || bytes + entries[count].prewrite_bytes <= budget))
    bytes += entries[count++].prewrite_bytes;
  count = reserve(*puller, entries, count);
  if (count == 0) return;  // on_room() or on_drained() goes on
  entries.resize(count);
  bytes = job_bytes(entries);
  puller->reading = true;
  reader_.run([this, puller, entries = std::move(entries), bytes, &log = log_, post = post_] {
    auto haul = std::make_shared<Haul>(read(log, entries, bytes));
    post([this, puller, haul] { take(puller, std::move(*haul)); });
  });
}

size_t PullService::reserve(Puller& puller, const std::vector<storage::OrderEntry>& entries, size_t count) {
  if (!puller.holder) return count;
  if (!puller.memory) puller.memory = puller.holder->try_reserve(0);
  const auto cost = [&](size_t n) {
    const uint64_t bytes = job_bytes({entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(n)});
    return bytes > kRunBytes ? 2 * bytes : bytes;  // cutting a large one copies it
  };
  if (puller.memory.try_grow(cost(count))) return count;
  if (count > 1 && puller.memory.try_grow(cost(1))) return 1;
  // One that can never fit goes alone, when no other puller holds anything.
  if (cost(1) > budget_->reservation_max(use_) && budget_->stats(use_).bytes == 0) {
    spdlog::warn(
        "a transaction is larger than what the memory budget leaves for pulls, raise --memory-budget "
        "commit_ts={} bytes={} budget={}",
        entries.front().commit_ts, entries.front().prewrite_bytes, budget_->total());
    puller.memory.grow(cost(1));
    return 1;
  }
  waits_for_room_ = true;
  return 0;
}

void PullService::settle_memory(Puller& puller) {
  if (!puller.memory) return;
  uint64_t bytes = puller.peer->queued_bytes();
  for (const std::string& run : puller.ready) bytes += run.size();
  puller.memory.shrink(puller.memory.bytes() - std::min(puller.memory.bytes(), bytes));
}

PullService::Haul PullService::read(storage::Log& log, const std::vector<storage::OrderEntry>& entries,
                                    uint64_t bytes) {
  Haul haul;
  std::string run;
  run.reserve(bytes);
  for (const storage::OrderEntry& entry : entries) {
    const size_t before = run.size();
    encode_commit(entry.start_ts, entry.commit_ts, run);
    haul.status = log.read_prewrite(entry.prewrite, run);
    if (!haul.status.ok()) {
      run.resize(before);  // a partial transaction must not leave
      haul.failed_at = entry.commit_ts;
      break;
    }
    haul.through = entry.commit_ts;
    ++haul.transactions;
  }
  if (!run.empty()) cut_run(std::move(run), kRunBytes, haul.runs);
  return haul;
}

void PullService::take(const PullerPtr& puller, Haul haul) {
  puller->reading = false;
  if (puller->gone) return;
  if (haul.transactions > 0) puller->cursor = haul.through;
  counters_.transactions += haul.transactions;
  puller->ready = std::move(haul.runs);
  if (haul.status.ok()) return serve(puller);
  spdlog::error("a transaction can't be read from the log commit_ts={} puller={} error=\"{}\"", haul.failed_at,
                log_field(puller->peer->hello().name), message_of(haul.status));
  if (!absl::IsDataLoss(haul.status))
    return puller->peer->close(annotate(haul.status, fmt::format("reading commit ts {}", haul.failed_at)));
  puller->held = true;
  ++counters_.gaps;
  for (std::string& run : std::exchange(puller->ready, {})) puller->peer->send_data(std::move(run));
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
