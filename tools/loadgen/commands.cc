#include "tools/loadgen/commands.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "base/status.h"
#include "tools/loadgen/lane_team.h"
#include "tools/loadgen/puller.h"
#include "tools/loadgen/report.h"
#include "tools/loadgen/run_checker.h"
#include "tools/loadgen/sysbench_tables.h"

namespace sluice::loadgen {
namespace {

using Seconds = std::chrono::duration<double>;

std::atomic<bool> stop_requested{false};

std::chrono::milliseconds to_ms(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

// A live line on a terminal, plain lines in a log.
void print_progress(const std::string& text) {
  const bool live = isatty(STDERR_FILENO) != 0;
  fmt::print(stderr, "{}loadgen: {}{}", live ? "\r\033[K" : "", text, live ? "" : "\n");
}

void end_progress() {
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\033[K");
}

WriteOptions write_options(const Settings& s) {
  return {.pumps = s.pumps,
          .oracle = s.oracle,
          .cluster_id = s.cluster_id,
          .seed = s.seed,
          .connections = static_cast<uint32_t>(s.connections),
          .threads = static_cast<uint32_t>(s.threads),
          .in_flight = static_cast<uint32_t>(s.in_flight),
          .payload_bytes = static_cast<uint32_t>(s.payload_bytes),
          .rollback_share = s.rollback_share,
          .open_share = s.open_share,
          .transactions = s.transactions,
          .rate = s.rate,
          .workload = s.workload.empty() ? nullptr : &s.workload,
          .give_up_after = to_ms(s.give_up_after_s)};
}

// Looks once a second, stops the team when its time is over or a signal asks, and waits for its end.
absl::Status watch(LaneTeam& team, const Settings& s) {
  const TimePoint begin = std::chrono::steady_clock::now();
  TimePoint next_look = begin + std::chrono::seconds(1);
  uint64_t seen = 0;
  bool stopped = false;
  while (!team.wait_for(std::chrono::milliseconds(20))) {
    const TimePoint now = std::chrono::steady_clock::now();
    if (!stopped && (stop_requested || (s.seconds > 0 && now - begin >= Seconds(s.seconds)))) {
      stopped = true;
      team.stop();
    }
    if (now < next_look) continue;
    next_look += std::chrono::seconds(1);
    const LaneTeam::Look look = team.look();
    print_progress(fmt::format("{:.0f} s: {} acked, {} in the last second, p50 {:.2f} ms, p99 {:.2f} ms",
                               look.elapsed.count(), look.totals.transactions, look.totals.transactions - seen,
                               static_cast<double>(look.interval.percentile(50)) / 1e6,
                               static_cast<double>(look.interval.percentile(99)) / 1e6));
    seen = look.totals.transactions;
  }
  end_progress();
  return team.status();
}

absl::Status write_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) return absl::UnavailableError(fmt::format("cannot write {}", path));
  return absl::OkStatus();
}

// One row a line: table, id, k, c, pad.
absl::Status write_model(const std::string& path, const SysbenchTables& tables, const std::vector<uint64_t>& commits,
                         const std::vector<HugeTransaction>& huge) {
  std::string text;
  for (size_t worker = 0; worker < commits.size(); ++worker)
    tables.for_each_row(static_cast<uint16_t>(worker), commits[worker], huge, [&](const SysbenchRow& row) {
      text += fmt::format("sbtest{}\t{}\t{}\t{}\t{}\n", worker + 1, row.id, row.k, row.c, row.pad);
    });
  return write_file(path, text);
}

absl::Status write_journal(const std::string& path, const std::vector<std::vector<JournalEntry>>& journals) {
  std::string text;
  for (size_t worker = 0; worker < journals.size(); ++worker)
    for (const JournalEntry& entry : journals[worker])
      text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", worker + 1, to_string(entry.kind), entry.sequence, entry.start,
                          entry.commit, entry.end_sent.time_since_epoch().count());
  return write_file(path, text);
}

SysbenchShape shape_of(const Settings& s) {
  return {.rows_max = static_cast<uint32_t>(s.rows),
          .spread = s.rows_spread == "log"       ? RowsSpread::log
                    : s.rows_spread == "uniform" ? RowsSpread::uniform
                                                 : RowsSpread::fixed,
          .hot_rows = static_cast<uint32_t>(s.hot_rows),
          .hot_share = s.hot_share,
          .inserts_only = s.inserts_only};
}

absl::Status run_write(const Settings& s) {
  WriteOptions options = write_options(s);
  options.keeps_journal = !s.journal.empty();
  const SysbenchTables tables(s.seed, shape_of(s));
  if (s.format == "tidb") {
    options.tables = &tables;
    SLUICE_RETURN_IF_ERROR(write_file(s.schema_history, SysbenchTables::schema_history()));
    SLUICE_RETURN_IF_ERROR(write_file(s.schema_history + ".sql", SysbenchTables::schema_sql(options.connections)));
  }
  LaneTeam team(options);
  SLUICE_RETURN_IF_ERROR(team.start());
  const absl::Status status = watch(team, s);
  const LaneTeam::Look look = team.look();
  if (s.json)
    fmt::print("{{\"command\":\"write\",\"ok\":{},{}}}\n", status.ok(), write_json_fields(options, team.run(), look));
  else
    fmt::print("{}", write_text(options, team.run(), look));
  if (!status.ok()) return annotate(status, "the write failed, and verify will say so");
  if (!s.journal.empty()) SLUICE_RETURN_IF_ERROR(write_journal(s.journal, team.journals_by_worker()));
  if (!s.model.empty()) return write_model(s.model, tables, team.commits_by_worker(), team.huge());
  return status;
}

// What pullers must reach to have seen everything that was acked before now.
absl::StatusOr<Tso> fetch_until(const Settings& s) {
  if (s.until != 0) return Tso(s.until);
  net::EventLoop loop("oracle");
  return fetch_one_ts(s.oracle.empty() ? s.pumps.front() : s.oracle, s.cluster_id, loop, to_ms(s.give_up_after_s));
}

PullOptions pull_options(const Settings& s, Tso until) {
  return {.pumps = s.pumps,
          .cluster_id = s.cluster_id,
          .after = CommitTs(s.after),
          .until = until,
          .give_up_after = to_ms(s.give_up_after_s)};
}

std::string faults_json(const RunChecker& checker) {
  std::string counts, texts;
  for (const auto& [kind, count] : checker.fault_counts())
    counts += fmt::format("{}\"{}\":{}", counts.empty() ? "" : ",", to_string(kind), count);
  for (const Fault& fault : checker.faults())
    texts += fmt::format("{}{{\"kind\":\"{}\",\"text\":{}}}", texts.empty() ? "" : ",", to_string(fault.kind),
                         json_string(fault.text));
  return fmt::format("\"fault_counts\":{{{}}},\"faults\":[{}]", counts, texts);
}

void print_verified(const Settings& s, const RunChecker& checker, double seconds) {
  if (s.json) {
    std::string runs;
    for (const RunSummary& run : checker.runs())
      runs += fmt::format("{}{{\"run\":{},\"workers\":{},\"transactions\":{},\"rolled_back\":{},\"open\":{}}}",
                          runs.empty() ? "" : ",", run.run, run.workers, run.transactions, run.rolled_back, run.open);
    fmt::print(
        "{{\"command\":\"verify\",\"seed\":{},\"ok\":{},\"transactions\":{},\"payload_bytes\":{},\"others\":{},"
        "\"runs\":[{}],{},"
        "\"seconds\":{:.6f}}}\n",
        s.seed, checker.fault_count() == 0, checker.transactions(), checker.payload_bytes(), checker.foreign(), runs,
        faults_json(checker), seconds);
    return;
  }
  for (const RunSummary& run : checker.runs())
    fmt::print("seed {} run {}: {} transactions of {} workers served; {} rolled back and {} left open were not\n",
               s.seed, run.run, run.transactions, run.workers, run.rolled_back, run.open);
  fmt::print("{} transactions in {:.2f} s, {} others passed over\n", checker.transactions(), seconds,
             checker.foreign());
  for (const Fault& fault : checker.faults()) fmt::print("{}: {}\n", to_string(fault.kind), fault.text);
  if (checker.fault_count() > checker.faults().size())
    fmt::print("… and {} more\n", checker.fault_count() - checker.faults().size());
}

absl::Status run_verify(const Settings& s) {
  SLUICE_ASSIGN_OR_RETURN(const Tso until, fetch_until(s));
  RunChecker checker(s.seed, s.pumps);
  PullTotals totals;
  const PullCallbacks callbacks{
      .on_transaction = [&](size_t pump, CommitTs commit, StartTs start,
                            ByteSpan payload) { checker.on_transaction(pump, commit, start, payload); },
      .on_resolved = [&](size_t pump, ResolvedTs ts) { checker.on_resolved(pump, ts); },
      .on_gap = [&](size_t pump, const std::string& text) { checker.on_gap(pump, text); }};
  const TimePoint begin = std::chrono::steady_clock::now();
  const absl::Status pulled = run_pull(pull_options(s, until), callbacks, totals, [&](Seconds elapsed) {
    print_progress(fmt::format("{:.0f} s: {} transactions checked", elapsed.count(), totals.transactions.load()));
    return !stop_requested;
  });
  end_progress();
  const Seconds seconds = std::chrono::steady_clock::now() - begin;
  if (!pulled.ok()) {
    if (s.json)
      fmt::print("{{\"command\":\"verify\",\"seed\":{},\"ok\":false,\"error\":{}}}\n", s.seed,
                 json_string(message_of(pulled)));
    return annotate(pulled, "not verified");
  }
  if (stop_requested) return absl::CancelledError("not verified: interrupted");
  checker.finish();
  print_verified(s, checker, seconds.count());
  if (checker.fault_count() != 0)
    return absl::DataLossError(fmt::format("{} faults in what seed {} wrote", checker.fault_count(), s.seed));
  return absl::OkStatus();
}

void print_pulled(const Settings& s, const PullTotals& totals, Seconds took, Seconds span) {
  const double seconds = took.count();
  const auto transactions = static_cast<double>(totals.transactions.load());
  const auto bytes = static_cast<double>(totals.bytes.load());
  if (s.json)
    fmt::print(
        "{{\"command\":\"pull\",\"transactions\":{},\"bytes\":{},\"seconds\":{:.6f},\"transactions_per_second\":{:.1f},"
        "\"mb_per_second\":{:.3f},\"span_seconds\":{:.6f},\"reconnects\":{}}}\n",
        totals.transactions.load(), totals.bytes.load(), seconds, transactions / seconds, bytes / 1e6 / seconds,
        span.count(), totals.reconnects.load());
  else
    fmt::print("{} transactions, {:.1f} MB in {:.2f} s: {:.0f} transactions/s, {:.1f} MB/s; {} reconnects\n",
               totals.transactions.load(), bytes / 1e6, seconds, transactions / seconds, bytes / 1e6 / seconds,
               totals.reconnects.load());
}

absl::Status run_pull_command(const Settings& s) {
  Tso until;
  if (s.seconds <= 0) {
    SLUICE_ASSIGN_OR_RETURN(until, fetch_until(s));
  }
  PullTotals totals;
  std::optional<std::string> gap;
  // From the first to the last transaction: what a puller that waits for a writer is asked about.
  std::optional<TimePoint> first;
  TimePoint last;
  const PullCallbacks callbacks{.on_transaction =
                                    [&](size_t, CommitTs, StartTs, ByteSpan) {
                                      last = std::chrono::steady_clock::now();
                                      if (!first) first = last;
                                    },
                                .on_resolved = [](size_t, ResolvedTs) {},
                                .on_gap = [&](size_t, const std::string& text) { gap = text; }};
  const TimePoint begin = std::chrono::steady_clock::now();
  const absl::Status pulled = run_pull(pull_options(s, until), callbacks, totals, [&](Seconds elapsed) {
    print_progress(fmt::format("{:.0f} s: {} transactions pulled", elapsed.count(), totals.transactions.load()));
    return !stop_requested && (s.seconds <= 0 || elapsed.count() < s.seconds);
  });
  end_progress();
  SLUICE_RETURN_IF_ERROR(pulled);
  print_pulled(s, totals, std::chrono::steady_clock::now() - begin, first ? last - *first : Seconds());
  if (gap) return absl::DataLossError("a pump reports a gap: " + *gap);
  return absl::OkStatus();
}

// What the puller of a mixed load saw; its thread's until it has ended.
struct Seen {
  RunChecker checker;
  Histogram visible;  // from a commit's sending to its being served here
  uint64_t not_timed = 0;
};

void print_mixed(const Settings& s, const WriteOptions& options, const LaneTeam& team, const LaneTeam::Look& look,
                 const Seen& seen, const absl::Status& status) {
  if (s.json) {
    fmt::print("{{\"command\":\"mixed\",\"ok\":{},{},\"served\":{},\"visible_us\":{},\"not_timed\":{},{}}}\n",
               status.ok(), write_json_fields(options, team.run(), look), seen.checker.transactions(),
               latency_json(seen.visible), seen.not_timed, faults_json(seen.checker));
    return;
  }
  fmt::print("{}{}", write_text(options, team.run(), look), latency_line("visible", seen.visible));
  for (const Fault& fault : seen.checker.faults()) fmt::print("{}: {}\n", to_string(fault.kind), fault.text);
}

absl::Status run_mixed(const Settings& s) {
  CommitTimes times(s.connections);
  WriteOptions options = write_options(s);
  options.commit_times = &times;
  LaneTeam team(options);
  SLUICE_RETURN_IF_ERROR(team.start());
  Seen seen{.checker = RunChecker(s.seed, s.pumps), .visible = {}};
  PullTotals totals;
  std::atomic<uint64_t> served{0};  // of this run
  const PullCallbacks callbacks{
      .on_transaction =
          [&](size_t pump, CommitTs commit, StartTs start, ByteSpan payload) {
            const auto whose = seen.checker.on_transaction(pump, commit, start, payload);
            if (!whose || whose->run != team.run()) return;
            ++served;
            if (whose->kind != PayloadKind::transaction) return;
            const auto sent = times.sent(whose->worker, whose->sequence);
            if (!sent) return void(++seen.not_timed);
            seen.visible.add(std::chrono::steady_clock::now() - *sent);
          },
      .on_resolved = [&](size_t pump, ResolvedTs ts) { seen.checker.on_resolved(pump, ts); },
      .on_gap = [&](size_t pump, const std::string& text) { seen.checker.on_gap(pump, text); }};
  PullOptions pull = pull_options(s, Tso());
  pull.after = CommitTs(team.run());
  std::atomic<uint64_t> expected{UINT64_MAX};  // served when all is written: what was committed, and a summary a worker
  std::atomic<bool> give_up{false};
  absl::Status pulled;
  std::thread puller(
      [&] { pulled = run_pull(pull, callbacks, totals, [&](Seconds) { return !give_up && served < expected; }); });
  absl::Status status = watch(team, s);
  const LaneTeam::Look look = team.look();
  expected = look.totals.commits + options.connections;
  const TimePoint written = std::chrono::steady_clock::now();
  while (status.ok() && served < expected && std::chrono::steady_clock::now() - written < options.give_up_after)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  give_up = true;
  puller.join();
  if (status.ok()) status = pulled;
  seen.checker.finish();
  if (status.ok() && seen.checker.fault_count() != 0)
    status = absl::DataLossError(fmt::format("{} faults in what was served", seen.checker.fault_count()));
  print_mixed(s, options, team, look, seen, status);
  return status;
}

}  // namespace

void request_stop() {
  stop_requested = true;
}

std::span<const Command> commands() {
  static constexpr Command kCommands[] = {
      {"write", "Writes transactions to pumps and measures throughput and latency.", run_write},
      {"verify", "Pulls what a seed wrote; fails on anything lost, repeated, reordered or altered.", run_verify},
      {"pull", "Pulls from pumps and measures.", run_pull_command},
      {"mixed", "Writes and pulls at once, verifies, and measures how long a commit takes to be served.", run_mixed},
  };
  return kCommands;
}

}  // namespace sluice::loadgen
