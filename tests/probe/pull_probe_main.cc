// pull_probe: pulls from one pump and prints each transaction as a JSON line, until the pump has resolved --until.
// It reconnects when the pump goes away, from the last transaction it printed, and fails on anything that breaks a
// promise: a commit ts that doesn't ascend (INV-2), or lies at or below a resolved ts seen before, on whatever
// connection (INV-3).
#include <algorithm>
#include <cstdio>
#include <future>
#include <memory>
#include <span>

#include <fmt/format.h>
#include <boost/asio/steady_timer.hpp>

#include "base/options.h"
#include "base/status.h"
#include "net/loop/event_loop.h"
#include "net/native/pull_client.h"
#include "tests/probe/served_transaction.h"

namespace sluice::probe {
namespace {

struct Settings {
  std::string pump;
  uint64_t cluster_id = 0;
  uint64_t after = 0;
  uint64_t until = 0;
  uint64_t credit_bytes = 1u << 20;
  uint64_t give_up_after_s = 30;
};

// Everything but the constructor and ended() runs on the loop's thread.
class PullProbe {
 public:
  PullProbe(const Settings& settings, net::EventLoop& loop)
      : settings_(settings), loop_(loop), retry_(loop.context()), last_(settings.after), resolved_(settings.after) {}

  std::future<absl::Status> ended() { return ended_.get_future(); }

  void connect() {
    if (settings_.until != 0 && resolved_.value >= settings_.until) return end(absl::OkStatus());
    joiner_ = std::make_unique<TransactionJoiner>(
        [this](CommitTs commit, StartTs start, const std::string& payload) { return print(commit, start, payload); });
    net::PullEvents events;
    events.on_welcome = [this](const net::Welcome&) { failures_ = 0; };
    events.on_data = [this](const std::string& run) { on_data(run); };
    events.on_resolved = [this](ResolvedTs ts) { on_resolved(ts); };
    events.on_gap = [this](const net::Gap& gap) { end(absl::DataLossError("the pump has a gap: " + gap.text)); };
    events.on_end = [this](CommitTs ts) {
      end(absl::UnavailableError(fmt::format("the pump ended its stream at {}", ts)));
    };
    events.on_closed = [this](const absl::Status& why) { on_closed(why); };
    net::PullClientOptions options;
    options.address = settings_.pump;
    options.cluster_id = settings_.cluster_id;
    options.name = "pull_probe";
    options.after = last_;
    options.credit_bytes = settings_.credit_bytes;
    client_ = net::PullClient::open(std::move(options), loop_, std::move(events));
  }

  void drop() {
    retry_.cancel();
    client_.reset();
  }

 private:
  void on_data(const std::string& run) {
    if (over_) return;
    const absl::Status status = for_each_record(as_bytes(run), {.verify_body = true},
                                                [this](const RecordView& record) { return joiner_->add(record); });
    if (!status.ok()) return end(status);
    client_->grant(run.size());
  }

  absl::Status print(CommitTs commit, StartTs start, const std::string& payload) {
    if (commit <= last_) return absl::DataLossError(fmt::format("commit ts {} comes after {}", commit, last_));
    if (commit.value <= resolved_.value)
      return absl::DataLossError(fmt::format("commit ts {} comes after {} was resolved", commit, resolved_));
    SLUICE_ASSIGN_OR_RETURN(const std::string line, describe(commit, start, payload));
    fmt::print("{}\n", line);
    last_ = commit;
    return absl::OkStatus();
  }

  void on_resolved(ResolvedTs ts) {
    resolved_ = std::max(resolved_, ts);
    if (settings_.until != 0 && ts.value >= settings_.until) end(absl::OkStatus());
  }

  void on_closed(const absl::Status& why) {
    if (over_) return;
    const bool refused = absl::IsFailedPrecondition(why);
    if (refused || ++failures_ > settings_.give_up_after_s * 20) return end(annotate(why, "pump " + settings_.pump));
    retry_.expires_after(std::chrono::milliseconds(50));
    retry_.async_wait([this](const boost::system::error_code& error) {
      if (!error && !over_) connect();
    });
  }

  void end(const absl::Status& status) {
    if (std::exchange(over_, true)) return;
    ended_.set_value(status);
  }

  const Settings& settings_;
  net::EventLoop& loop_;
  boost::asio::steady_timer retry_;
  std::unique_ptr<net::PullClient> client_;
  std::unique_ptr<TransactionJoiner> joiner_;
  CommitTs last_;
  ResolvedTs resolved_;
  uint64_t failures_ = 0;
  bool over_ = false;
  std::promise<absl::Status> ended_;
};

absl::Status run(const Settings& settings) {
  net::EventLoop loop("probe");
  PullProbe probe(settings, loop);
  std::future<absl::Status> ended = probe.ended();
  loop.post([&probe] { probe.connect(); });
  absl::Status status = ended.get();
  std::promise<void> dropped;
  loop.post([&] {
    probe.drop();
    dropped.set_value();
  });
  dropped.get_future().wait();
  loop.stop();
  return status;
}

}  // namespace
}  // namespace sluice::probe

int main(int argc, char** argv) {
  using namespace sluice;
  probe::Settings s;
  OptionTable table;
  table.program = "pull_probe";
  table.summary = "Prints what a pump serves, one JSON line a transaction.";
  table.has_config_file = false;
  table.options = {
      {.key = "", .flag = "pump", .field = &s.pump, .help = "HOST:PORT"},
      {.key = "", .flag = "cluster-id", .field = &s.cluster_id, .help = "0: any"},
      {.key = "", .flag = "after", .field = &s.after, .help = "start above this commit ts; 0: from the oldest"},
      {.key = "", .flag = "until", .field = &s.until, .help = "end when this ts is resolved; 0: never"},
      {.key = "", .flag = "credit", .field = &s.credit_bytes, .help = "granted in advance", .unit = "bytes", .min = 1},
      {.key = "", .flag = "give-up-after", .field = &s.give_up_after_s, .help = "of a pump that is away", .unit = "s"},
  };
  const auto parsed = parse_options(table, std::span<char* const>(argv, static_cast<size_t>(argc)));
  if (parsed.ok() && parsed->exit_now) {
    fmt::print("{}", parsed->text);
    return 0;
  }
  const absl::Status status = parsed.ok() ? probe::run(s) : parsed.status();
  if (!status.ok()) fmt::print(stderr, "pull_probe: {}\n", message_of(status));
  return status.ok() ? 0 : 1;
}
