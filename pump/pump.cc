#include "pump/pump.h"

#include <filesystem>

#include "base/assert.h"
#include "base/logging.h"
#include "base/status.h"
#include "net/loop/address.h"
#include "net/loop/file_limit.h"
#include "pump/time/remote_oracle.h"

namespace sluice::pump {
namespace {

// How often an idle pump asks the oracle, so how far its resolved ts lags.
constexpr std::chrono::milliseconds kTick{20};
// How often health is looked at, and how long an oracle may be silent.
constexpr std::chrono::seconds kExamine{1};
constexpr std::chrono::seconds kOracleSilence{2};
// A stop doesn't wait longer for acks: what isn't acked is the writer's to send again.
constexpr std::chrono::seconds kStopPatience{1};
// What a close waits for is logged when it has lasted this long.
constexpr std::chrono::milliseconds kCloseSayAfter{500};

storage::DiskBackend backend_of(const PumpOptions& options) {
  if (options.backend == "io_uring") return storage::DiskBackend::io_uring;
  if (options.backend == "pwritev2") return storage::DiskBackend::pwritev2;
  return storage::DiskBackend::automatic;
}

}  // namespace

Pump::Pump(PumpOptions options, Clock& clock, PumpSeams seams)
    : options_(std::move(options)),
      clock_(clock),
      seams_(seams),
      memory_(options_.memory_budget),
      loop_("pump-loop"),
      relay_(poster()) {}

std::function<void(std::function<void()>)> Pump::poster() {
  return [this](std::function<void()> work) { loop_.post(std::move(work)); };
}

absl::StatusOr<std::unique_ptr<Pump>> Pump::start(PumpOptions options, Clock& clock, PumpSeams seams) {
  SLUICE_RETURN_IF_ERROR(check_options(options));
  std::unique_ptr<Pump> pump(new Pump(std::move(options), clock, seams));
  SLUICE_RETURN_IF_ERROR(pump->open());
  return pump;
}

absl::Status Pump::open() {
  SLUICE_RETURN_IF_ERROR(open_folder_and_oracle());
  SLUICE_RETURN_IF_ERROR(open_log());
  SLUICE_RETURN_IF_ERROR(serve());
  loop_.run_and_wait([this] { log_started(); });  // it serves already: the order is the loop's
  return absl::OkStatus();
}

absl::Status Pump::open_folder_and_oracle() {
  SLUICE_ASSIGN_OR_RETURN(const net::HostPort listen, net::parse_host_port(options_.addr));
  // A port in use must not leave a name in a fresh folder.
  SLUICE_RETURN_IF_ERROR(net::Server::check_free(options_.addr, loop_));
  DataFolderOptions folder{.dir = options_.data_dir,
                           .cluster_id = options_.cluster_id,
                           .time = options_.time_source(),
                           .node_id = options_.node_id,
                           .port = listen.port};
  if (!options_.oracle.empty()) {
    SLUICE_ASSIGN_OR_RETURN(auto remote, RemoteOracle::connect(options_.oracle, options_.cluster_id, loop_));
    folder.cluster_id = remote->cluster_id();
    oracle_ = std::move(remote);
  }
  SLUICE_ASSIGN_OR_RETURN(folder_, DataFolder::open(folder));
  if (!oracle_ && seams_.oracle == nullptr && folder_->meta().time != net::TimeSource::writer) {
    SLUICE_ASSIGN_OR_RETURN(oracle_, EmbeddedOracle::open(folder_->oracle_file(), clock_, bound_writer_, poster()));
  }
  time_ = std::make_unique<Timekeeper>(*folder_, seams_.oracle != nullptr ? seams_.oracle : oracle_.get());
  order_ = std::make_unique<CommitOrder>(*time_, clock_);
  return absl::OkStatus();
}

absl::Status Pump::open_log() {
  if (seams_.disk == nullptr) {
    SLUICE_ASSIGN_OR_RETURN(disk_, storage::open_disk(backend_of(options_)));
  }
  storage::LogOptions log;
  log.dir = folder_->log_dir();
  log.cluster_id = folder_->meta().cluster_id;
  log.birth_id = folder_->meta().log_birth_id;
  log.segment_bytes = static_cast<uint32_t>(options_.segment_bytes);
  log.reader_bytes_max = PumpMemory::log_reader_bytes(options_.memory_budget);
  SLUICE_ASSIGN_OR_RETURN(log_,
                          storage::Log::open(log, seams_.disk != nullptr ? *seams_.disk : *disk_, relay_,
                                             [this](const storage::DurableRun& run) { return order_->replay(run); }));
  SLUICE_RETURN_IF_ERROR(folder_->name_log(log_->birth_id()));
  // A clock that was set back must not make timestamps that the log has already.
  if (auto* embedded = dynamic_cast<EmbeddedOracle*>(oracle_.get()))
    embedded->raise(order_->sorter().largest_durable());
  return absl::OkStatus();
}

absl::Status Pump::serve() {
  IngestOptions ingest;
  ingest.writer_time_lead_max = std::chrono::seconds(options_.writer_time_lead_max_s);
  ingest.on_settled = [this](std::chrono::nanoseconds took, bool acked) { metrics_.observe_write(took, acked); };
  ingest.open_max = memory_.open_max;
  ingest_ = std::make_unique<Ingest>(*order_, *time_, *log_, clock_, std::move(ingest));
  pulls_ = std::make_unique<PullService>(*order_, *log_, reader_, poster(), &memory_.budget, PumpMemory::kPulls);
  memory_.budget.on_room([this] {
    loop_.post([this] {
      if (server_) server_->on_room();
      if (pulls_) pulls_->on_room();
    });
  });
  loop_.run_and_wait([this] {
    order_->on_advance([this] { pulls_->on_advance(); });
    relay_.attach({.on_durable =
                       [this](const std::vector<PlacedRecord>& records, storage::Ticket through) {
                         order_->durable(records);
                         ingest_->on_durable(through);
                       },
                   .on_failed = [this](const absl::Status& why) { ingest_->on_log_failed(why); }});
    ticker_ = std::make_unique<net::LoopTimer>(loop_);
    tick();
  });
  net::ServerOptions server;
  server.address = options_.addr;
  server.connections_max = net::connections_within(net::raise_file_limit(), server.connections_max);
  server.connections_per_address_max = static_cast<unsigned>(options_.connections_per_address_max);
  SLUICE_ASSIGN_OR_RETURN(auto listening,
                          net::Server::listen(std::move(server), loop_, this, routes(),
                                              {.budget = &memory_.budget, .uses = PumpMemory::receive_uses()}));
  loop_.run_and_wait([&] { server_ = std::move(listening); });  // the loop reads it
  state_since_ = clock_.wall_now();
  const std::string given = options_.advertise_addr.empty() ? options_.addr : options_.advertise_addr;
  const std::string host = given.substr(0, given.rfind(':'));
  host_ = given.ends_with(":0") ? fmt::format("{}:{}", host, port()) : given;
  return absl::OkStatus();
}

void Pump::log_started() const {
  const storage::LogStats stats = log_->stats();
  spdlog::info(
      "pump started address={} node_id={} data_dir={} cluster_id={} time_source={} backend={} resolved_ts={} "
      "transactions={} open={} version=\"{}\"",
      host_, meta().node_id, folder_->dir().string(), meta().cluster_id, to_string(meta().time), stats.backend,
      order_->resolved(), order_->index().size(), order_->sorter().open_count(), version_line("pump"));
  // Written before such timestamps were refused, or under a clock that was ahead.
  const Tso largest = order_->sorter().largest_durable();
  if (const uint64_t now_ms = wall_ms(clock_); largest.physical_ms() > now_ms + options_.writer_time_lead_max_s * 1000)
    spdlog::error(
        "the log holds a timestamp far above this machine's clock: no commit at or below it can be taken here any "
        "more; "
        "set the clock right if it is behind, else move this data folder away once everything in it is drained "
        "largest_ts={} largest_ms={} clock_ms={}",
        largest, largest.physical_ms(), now_ms);
  if (order_->replay_ignored() != 0) spdlog::warn("records in the log were ignored count={}", order_->replay_ignored());
}

void Pump::tick() {
  measure_memory();
  examine_health();
  ask_before_first_pull();
  if (pulls_->count() > 0) order_->refresh();
  if (state_ == NodeState::closing) {
    end_if_nothing_is_open();
    say_what_close_waits_for();
  }
  if (!stop_announced_ && ready_to_stop()) {
    stop_announced_ = true;
    move_to(state_ == NodeState::closing ? NodeState::offline : NodeState::paused);
    stop_ready_.set_value();
  }
  ticker_->set(kTick, [this] { tick(); });
}

void Pump::measure_memory() {
  const storage::LogStats log = log_->stats();
  memory_.measure({.open = order_->sorter().unfinished_count(),
                   .pending = order_->sorter().pending_count(),
                   .index_bytes = order_->index().bytes(),
                   .log_bytes = log.memory_bytes - log.queued_bytes});
}

void Pump::examine_health() {
  const auto now = clock_.now();
  if (now - examined_ >= kExamine) {
    examined_ = now;
    std::error_code ignored;  // a folder that can't be asked has no space to tell of
    if (!ingest_->append_refused().empty())
      if (const auto space = std::filesystem::space(folder_->dir(), ignored);
          !ignored && space.available > options_.segment_bytes)
        ingest_->space_is_back();
    if (!time_->has_oracle()) {
      oracle_trouble_.clear();
    } else if (!oracle_asked_) {
      oracle_asked_ = now;
      time_->ask([this](const absl::StatusOr<Tso>& answer) {
        oracle_asked_.reset();
        oracle_trouble_ = answer.ok() ? "" : std::string(answer.status().message());
      });
    } else if (now - *oracle_asked_ > kOracleSilence && oracle_trouble_.empty()) {
      oracle_trouble_ = "it doesn't answer";
    }
  }
  health_.report(Health::Trouble::log_read_only,
                 ingest_->read_only() ? "the log is read-only: " + ingest_->failure_text() : "", now);
  health_.report(Health::Trouble::no_space,
                 ingest_->append_refused().empty() ? "" : "writes are refused: " + ingest_->append_refused(), now);
  health_.report(Health::Trouble::oracle,
                 oracle_trouble_.empty() ? "" : "the oracle gives no timestamps: " + oracle_trouble_, now);
}

std::string Pump::not_ready() const {
  std::string text = health_.text(clock_.now());
  if (state_ == NodeState::online) return text;
  std::string state = fmt::format("not online: {}", to_string(state_));
  if (state_ == NodeState::closing) state += fmt::format(", waits for {}", close_waits_for());
  return text.empty() ? state : state + "; " + text;
}

void Pump::ask_before_first_pull() {
  if (asking_before_first_pull_) return;
  if (!time_->has_oracle()) return pulls_->open();
  asking_before_first_pull_ = true;
  time_->ask([this](const absl::StatusOr<Tso>& answer) {
    if (!answer.ok()) {
      asking_before_first_pull_ = false;  // the next tick asks again
      return;
    }
    (void)order_->sorter().publish(*answer);  // refused while something is open: then R is what the log says
    pulls_->open();
  });
}

bool Pump::ready_to_stop() const {
  switch (state_) {
    case NodeState::pausing:
      return ingest_->settled() || clock_.now() - leaving_since_ > kStopPatience;
    case NodeState::closing:
      return close_waits_for().empty();
    default:
      return false;
  }
}

void Pump::end_if_nothing_is_open() {
  // Decided once: since `closing` no prewrite was admitted, so nothing can come above it but repeats.
  if (end_ts_ || !order_->sorter().nothing_admitted_is_open() || !ingest_->idle()) return;
  end_ts_ = CommitTs(order_->resolved().value);
  spdlog::info("closing: nothing is open, the end is sent final_ts={}", *end_ts_);
  pulls_->end(*end_ts_);
}

std::string Pump::close_waits_for() const {
  if (end_ts_) return pulls_->unconsumed();
  if (ingest_->read_only()) return fmt::format("a restart: the log is read-only ({})", ingest_->failure_text());
  if (order_->sorter().blocker()) return order_->explain();
  return "records that aren't durable yet";
}

void Pump::say_what_close_waits_for() {
  const std::string now = close_waits_for();
  // The numbers in it move; a line is for who is waited for.
  const auto who = [](const std::string& text) { return text.substr(0, text.find(" at commit ts")); };
  if (who(now) != who(close_said_) && !now.empty() && clock_.now() - leaving_since_ > kCloseSayAfter) {
    spdlog::info("closing waits_for=\"{}\"; a stop signal leaves without it, as paused", now);
    close_said_ = now;
  }
}

void Pump::move_to(NodeState state) {
  spdlog::info("state changes before={} now={}", to_string(state_), to_string(state));
  state_ = state;
  state_since_ = clock_.wall_now();
  ingest_->set_state(state);
}

void Pump::begin_leaving(NodeState state) {
  // A signal hurries a pump that is closing; nothing else changes once it leaves.
  if (!may_move(state_, state) && !(state_ == NodeState::closing && state == NodeState::pausing)) return;
  move_to(state);
  leaving_since_ = clock_.now();
}

void Pump::request_stop() {
  loop_.post([this] { begin_leaving(NodeState::pausing); });
}

void Pump::wait() {
  stop_ready_soon_.wait();
}

bool Pump::wait_for(std::chrono::milliseconds patience) {
  return stop_ready_soon_.wait_for(patience) == std::future_status::ready;
}

absl::Status Pump::stop() {
  if (std::exchange(stopped_, true)) return absl::OkStatus();
  if (ingest_) loop_.run_and_wait([this] { begin_leaving(NodeState::pausing); });
  if (server_) server_->stop();
  absl::Status status = log_ ? log_->close() : absl::OkStatus();
  reader_.stop();
  if (auto* embedded = dynamic_cast<EmbeddedOracle*>(oracle_.get()); embedded != nullptr) {
    absl::Status left;
    loop_.run_and_wait([&] { left = embedded->close(); });
    if (!left.ok()) spdlog::warn("the oracle's bound stays ahead error=\"{}\"", message_of(left));
  }
  bound_writer_.stop();
  // The timer is the loop's, and the acks of what close() made durable have been posted before this.
  if (ticker_) loop_.run_and_wait([this] { ticker_->cancel(); });
  loop_.stop();
  memory_.budget.on_room(nullptr);  // what is left on the loop releases without waking anyone
  if (ingest_) {
    if (state_ == NodeState::pausing) move_to(NodeState::paused);
    spdlog::info("pump stopped state={} resolved_ts={}", to_string(state_), order_->resolved());
  }
  return ingest_ && ingest_->read_only() ? absl::OkStatus() : status;
}

Pump::~Pump() {
  if (const absl::Status status = stop(); !status.ok())
    spdlog::error("the log didn't close cleanly error=\"{}\"", message_of(status));
  server_.reset();
}

absl::StatusOr<net::Welcome> Pump::on_hello(const net::Hello& hello) {
  if (hello.cluster_id != 0 && hello.cluster_id != meta().cluster_id)
    return absl::FailedPreconditionError(
        fmt::format("cluster ID are mismatch, {} vs {}", hello.cluster_id, meta().cluster_id));
  if (hello.role == net::PeerRole::writer)
    SLUICE_RETURN_IF_ERROR(time_->check(hello.time_source, order_->sorter().nothing_admitted()));
  net::Welcome welcome;
  welcome.cluster_id = meta().cluster_id;
  welcome.time_source = time_->source();
  welcome.node_id = meta().node_id;
  welcome.log_birth_id = log_->birth_id();
  welcome.log_largest_ts = order_->sorter().largest_durable();
  return welcome;
}

void Pump::on_write(const net::PeerPtr& peer, uint64_t first, std::string run, ByteReservation held) {
  // Records need a time source; a hello alone decides none.
  if (const absl::Status settled = time_->settle(peer->hello().time_source, order_->sorter().nothing_admitted());
      !settled.ok())
    return peer->close(settled);
  ingest_->on_write(peer, first, std::move(run), std::move(held));
}

void Pump::on_pull(const net::PeerPtr& peer, const net::PullRequest& request) {
  pulls_->on_pull(peer, request);
  order_->refresh();
}

void Pump::on_credit(const net::PeerPtr& peer, uint64_t bytes) {
  pulls_->on_credit(peer, bytes);
}
void Pump::on_want(const net::PeerPtr& /*peer*/, CommitTs ts) {
  order_->want(ts);
}
void Pump::on_drained(const net::PeerPtr& peer) {
  pulls_->on_drained(peer);
}

void Pump::on_tso_request(const net::PeerPtr& peer, uint64_t request, uint32_t count) {
  if (count == 0 || count > TsoAllocator::kCountMax)
    return peer->close(absl::InvalidArgumentError(
        fmt::format("{} timestamps were asked for; accepted: 1 to {}", count, TsoAllocator::kCountMax)));
  time_->take(count, [weak = std::weak_ptr(peer), request, count](const absl::StatusOr<Tso>& first) {
    const net::PeerPtr asked = weak.lock();
    if (!asked) return;
    if (first.ok())
      asked->send_tso(request, *first, count);
    else
      asked->close(first.status());
  });
}

void Pump::on_goodbye(const net::PeerPtr& peer) {
  if (peer->hello().role == net::PeerRole::writer) return ingest_->on_goodbye(peer);
  pulls_->on_goodbye(peer);
  peer->send_goodbye();
}

void Pump::on_closed(const net::PeerPtr& peer, const absl::Status& why) {
  if (!why.ok()) spdlog::debug("connection ended peer={} reason=\"{}\"", peer->address(), message_of(why));
  ingest_->on_closed(peer);
  pulls_->on_closed(peer);
}

}  // namespace sluice::pump
