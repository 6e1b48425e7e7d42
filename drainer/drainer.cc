#include "drainer/drainer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "base/exit_code.h"
#include "base/status.h"
#include "drainer/pull/cluster_probe.h"
#include "drainer/schema/ddl_history.h"
#include "drainer/translator/table_filter.h"
#include "host/durable_file.h"
#include "net/tidb/binlog.pb.h"

namespace sluice::drainer {
namespace {

// A stop is over within 10 s (the command line's contract): this much is the flush's, and this the HTTP connections'.
constexpr std::chrono::seconds kStopPatience{9};
constexpr std::chrono::seconds kOpeningStopPatience{1};
constexpr std::chrono::milliseconds kServerStopPatience{500};

std::vector<translator::TableName> table_names(const TableRows& rows) {
  std::vector<translator::TableName> names;
  for (const auto& row : rows) {
    const auto value = [&row](const char* key) { return row.contains(key) ? row.at(key) : std::string(); };
    names.push_back({.schema = value("db-name"), .table = value("tbl-name")});
  }
  return names;
}

absl::StatusOr<translator::TableFilter> make_filter(const DrainerConfig& config) {
  return translator::TableFilter::make({.ignore_schemas = config.ignore_schemas,
                                        .ignore_tables = table_names(config.ignore_tables),
                                        .do_schemas = config.do_schemas,
                                        .do_tables = table_names(config.do_tables)});
}

// Of texts that complete() has checked.
std::set<CommitTs> commit_ts_set(const StringList& texts) {
  std::set<CommitTs> all;
  for (const std::string& text : texts) {
    uint64_t value = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), value);
    all.insert(CommitTs(value));
  }
  return all;
}

// A file that isn't there is a wrong command line, which no restart heals.
absl::StatusOr<std::vector<schema::DdlJob>> read_history(const std::string& path) {
  auto jobs = schema::read_ddl_history(path);
  if (absl::IsNotFound(jobs.status())) return absl::InvalidArgumentError(jobs.status().message());
  return jobs;
}

std::string roster_path(const DrainerConfig& config) {
  return config.data_dir + "/pumps";
}

pull::PumpIdentity identity_of(const net::Welcome& welcome) {
  return {.node_id = welcome.node_id,
          .cluster_id = welcome.cluster_id,
          .log_birth_id = welcome.log_birth_id,
          .log_largest_ts = CommitTs(welcome.log_largest_ts.value)};
}

net::HttpResponse json(std::string body) {
  return {.status = 200, .content_type = "application/json; charset=UTF-8", .body = std::move(body)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Drainer>> Drainer::create(DrainerConfig config, SinkFactory factory) {
  SLUICE_ASSIGN_OR_RETURN(translator::TableFilter filter, make_filter(config));
  SLUICE_ASSIGN_OR_RETURN(std::vector<schema::DdlJob> jobs, read_history(config.schema_history));
  auto schema = std::make_unique<schema::SchemaTracker>();
  SLUICE_RETURN_IF_ERROR(annotate(schema->load(std::move(jobs)), config.schema_history));
  translator::Translator translator(*schema, {.filter = std::move(filter)});

  SLUICE_ASSIGN_OR_RETURN(position::DataDir data_dir, position::DataDir::open(config.data_dir));
  SLUICE_ASSIGN_OR_RETURN(position::Checkpoint checkpoint, position::Checkpoint::open(config.data_dir));
  SLUICE_ASSIGN_OR_RETURN(const auto kept, host::read_small_file(roster_path(config)));
  SLUICE_ASSIGN_OR_RETURN(pull::PumpRoster roster, pull::PumpRoster::parse(kept, config.pumps, roster_path(config)));
  // The position isn't known yet; with the largest one only pumps that never ended are missed.
  SLUICE_RETURN_IF_ERROR(roster.check(CommitTs(~uint64_t{0})));

  std::unique_ptr<Drainer> drainer(new Drainer(std::move(config), std::move(factory), std::move(data_dir),
                                               std::move(checkpoint), std::move(roster), std::move(translator),
                                               std::move(schema)));
  net::ServerOptions server{.address = drainer->config_.addr};
  server.stop_timeout = kServerStopPatience;
  SLUICE_ASSIGN_OR_RETURN(drainer->server_,
                          net::Server::listen(std::move(server), drainer->loop_, nullptr, drainer->routes()));
  return drainer;
}

Drainer::Drainer(DrainerConfig config, SinkFactory factory, position::DataDir data_dir, position::Checkpoint checkpoint,
                 pull::PumpRoster roster, translator::Translator translator,
                 std::unique_ptr<schema::SchemaTracker> schema)
    : config_(std::move(config)),
      make_sink_(std::move(factory)),
      data_dir_(std::move(data_dir)),
      checkpoint_(std::move(checkpoint)),
      roster_(std::move(roster)),
      schema_(std::move(schema)),
      translator_(std::move(translator)),
      pool_({.total_bytes = config_.pull_buffer_bytes, .sources = config_.pumps.size()}),
      inbox_(config_.pumps.size()),
      ignored_(commit_ts_set(config_.ignore_txns)) {}

Drainer::~Drainer() {
  request_stop();
  if (merge_.joinable()) merge_.join();
  if (server_) server_->stop();
  loop_.run_and_wait([this] { sources_.clear(); });
  loop_.stop();
}

void Drainer::request_stop() {
  stopping_ = true;
  const std::lock_guard lock(mutex_);
  if (pipeline_) pipeline_->request_stop();
  if (sink_) sink_->request_stop();
  changed_.notify_all();
}

Drainer::Outcome Drainer::run() {
  const auto began = clock_.now();
  spdlog::info("drainer starts node={} addr={} dest={} pumps={} data_dir={}", config_.node_id, config_.addr,
               config_.dest_db_type, fmt::join(config_.pumps, ","), config_.data_dir);
  merge_ = std::thread([this] { merge_thread(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return outcome_ || stopping_; });
  // A sink that is still opening waits for a downstream that isn't there; nothing was submitted that a flush could
  // save.
  const bool opening = pipeline_ && pipeline_->status().state == PipelineState::opening_sink;
  const auto patience = opening ? kOpeningStopPatience : kStopPatience;
  if (!changed_.wait_for(lock, patience, [this] { return outcome_.has_value(); })) {
    lock.unlock();
    if (!opening) spdlog::warn("the downstream didn't take what was submitted in time; it will be pulled again");
    log_summary(absl::OkStatus(), clock_.now() - began);
    return {.status = absl::OkStatus(), .abandoned = true};
  }
  const absl::Status status = *outcome_;
  lock.unlock();
  merge_.join();
  log_summary(status, clock_.now() - began);
  return {.status = status, .abandoned = false};
}

void Drainer::merge_thread() {
  (void)pthread_setname_np(pthread_self(), "merge");  // only a name in a debugger
  absl::Status status = merge();
  if (absl::IsCancelled(status)) status = absl::OkStatus();
  const std::lock_guard lock(mutex_);
  outcome_ = std::move(status);
  changed_.notify_all();
}

absl::Status Drainer::merge() {
  SLUICE_ASSIGN_OR_RETURN(const SinkFacts facts, meet_cluster());
  SLUICE_RETURN_IF_ERROR(make_pipeline(facts));
  if (stopping_) request_stop();
  return pipeline_->run();
}

// Nothing is pulled or written before every pump has said that it is the one we know.
absl::StatusOr<SinkFacts> Drainer::meet_cluster() {
  const pull::ProbeOptions probe{
      .pumps = config_.pumps, .drainer_name = config_.node_id, .waits_for = [this](std::string who) {
        const std::lock_guard lock(mutex_);
        waits_before_start_ = std::move(who);
      }};
  SLUICE_ASSIGN_OR_RETURN(const std::vector<net::Welcome> welcomes, pull::meet_pumps(loop_, probe, stopping_));
  SinkFacts facts{.saved = checkpoint_.saved().commit_ts};
  {
    const std::lock_guard lock(roster_mutex_);
    for (size_t source = 0; source < welcomes.size(); ++source)
      SLUICE_RETURN_IF_ERROR(roster_.welcome(source, identity_of(welcomes[source])).status());
    // Again, now that all are known: what each is asked to show.
    for (size_t source = 0; source < welcomes.size(); ++source) {
      SLUICE_ASSIGN_OR_RETURN(const pull::PumpAdmission known, roster_.welcome(source, identity_of(welcomes[source])));
      known_.push_back(known);
    }
    facts.cluster_id = roster_.cluster_id();
  }
  SLUICE_ASSIGN_OR_RETURN(facts.largest_ts, pull::largest_position(loop_, probe, welcomes, stopping_));
  return facts;
}

absl::Status Drainer::make_pipeline(const SinkFacts& facts) {
  SLUICE_ASSIGN_OR_RETURN(std::unique_ptr<sinks::Sink> sink, make_sink_(config_, facts));
  PipelineOptions options{.pumps = config_.pumps,
                          .saved = keeps_own_position(config_) ? CommitTs() : facts.saved,
                          .saved_in = config_.data_dir + "/savepoint",
                          // -1 is the oldest that the pumps have: without a registry nobody else could have told where
                          // to start.
                          .initial = CommitTs(static_cast<uint64_t>(std::max<int64_t>(0, config_.initial_commit_ts))),
                          .largest_ts = facts.largest_ts};
  if (config_.until > 0) options.until = CommitTs(config_.until);

  const std::lock_guard lock(mutex_);
  sink_ = std::move(sink);
  pipeline_ = std::make_unique<Pipeline>(
      std::move(options),
      PipelinePorts{.inbox = inbox_,
                    .sink = *sink_,
                    .checkpoint = keeps_own_position(config_) ? nullptr : &checkpoint_,
                    .translate = [this](const merge::PulledTransaction& pulled) { return translate(pulled); },
                    .started =
                        [this](CommitTs start) {
                          absl::Status status;
                          translator_.start_at(start);
                          loop_.run_and_wait([&] { status = start_sources(start); });
                          return status;
                        },
                    .consumed =
                        [this](size_t source, uint64_t bytes) {
                          loop_.post([this, source, bytes] { sources_[source]->consumed(bytes); });
                        },
                    .want = [this](size_t source,
                                   CommitTs ts) { loop_.post([this, source, ts] { sources_[source]->want(ts); }); },
                    .remember = [this](const auto& progress) { return remember(progress); }});
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const change::Transaction>> Drainer::translate(const merge::PulledTransaction& pulled) {
  SLUICE_ASSIGN_OR_RETURN(const bool leave_out, ignored(pulled));
  if (leave_out) return nullptr;
  if (pulled.format != PayloadFormat::tidb)
    return absl::FailedPreconditionError(fmt::format(
        "commit ts {} (start ts {}) has payload format {}, which this version doesn't decode: use a newer drainer",
        pulled.commit_ts, pulled.start_ts, static_cast<int>(pulled.format)));
  SLUICE_ASSIGN_OR_RETURN(translator::Translation translation,
                          translator_.translate(pulled.start_ts, pulled.commit_ts, pulled.payload));
  if (translation.skipped == translator::SkipReason::none) return translation.transaction;
  if (translation.skipped == translator::SkipReason::ddl_unsupported) {
    ++ddls_left_out_;
    spdlog::info("DDL skipped: it changes no row reason={} commit_ts={}", to_string(translation.skipped),
                 pulled.commit_ts);
  } else {
    spdlog::debug("skipped commit_ts={} reason={}", pulled.commit_ts, to_string(translation.skipped));
  }
  return nullptr;
}

// A DDL can't be passed so: the rows after it need the schema that it makes. One whose payload doesn't decode can't be
// told from rows, and is left out.
absl::StatusOr<bool> Drainer::ignored(const merge::PulledTransaction& pulled) {
  if (!ignored_.contains(pulled.commit_ts)) return false;
  const std::lock_guard lock(mutex_);
  ignored_met_.insert(pulled.commit_ts);
  binlog::Binlog binlog;
  if (pulled.format == PayloadFormat::tidb && pulled.payload && binlog.ParseFromString(*pulled.payload) &&
      (binlog.ddl_job_id() > 0 || !binlog.ddl_query().empty()))
    return absl::InvalidArgumentError(fmt::format(
        "--ignore-txn-commit-ts names commit ts {}, which is a DDL: take it out of that list, and name it in "
        "--ddl-skip if the DDL must not run downstream",
        pulled.commit_ts));
  spdlog::warn("transaction left out, as --ignore-txn-commit-ts says commit_ts={} start_ts={} bytes={}",
               pulled.commit_ts, pulled.start_ts, pulled.payload ? pulled.payload->size() : 0);
  ++left_out_;
  return true;
}

absl::Status Drainer::start_sources(CommitTs start) {
  {
    const std::lock_guard lock(roster_mutex_);
    SLUICE_RETURN_IF_ERROR(roster_.check(start));
    SLUICE_RETURN_IF_ERROR(keep_roster());
  }
  for (size_t source = 0; source < config_.pumps.size(); ++source) {
    pull::PullSourceOptions options{.index = source,
                                    .address = config_.pumps[source],
                                    .drainer_name = config_.node_id,
                                    .after = start,
                                    .seen = known_[source].seen,
                                    .resolved = known_[source].resolved};
    options.window_bytes = std::min(options.window_bytes, config_.pull_buffer_bytes);
    sources_.push_back(std::make_unique<pull::PullSource>(
        std::move(options),
        pull::PullSourcePorts{.loop = loop_,
                              .inbox = inbox_,
                              .pool = pool_,
                              .admit = [this](size_t s, const net::Welcome& welcome) { return admit(s, welcome); },
                              .proven =
                                  [this](size_t s) {
                                    const std::lock_guard lock(roster_mutex_);
                                    roster_.proven(s);
                                    return keep_roster();
                                  },
                              .ended =
                                  [this](size_t s, CommitTs final_ts) {
                                    const std::lock_guard lock(roster_mutex_);
                                    roster_.ended(s, final_ts);
                                    return keep_roster();
                                  }}));
  }
  for (const auto& source : sources_) source->start();
  return absl::OkStatus();
}

absl::StatusOr<pull::PumpAdmission> Drainer::admit(size_t source, const net::Welcome& welcome) {
  const std::lock_guard lock(roster_mutex_);
  SLUICE_ASSIGN_OR_RETURN(const pull::PumpAdmission admission, roster_.welcome(source, identity_of(welcome)));
  SLUICE_RETURN_IF_ERROR(keep_roster());
  return admission;
}

absl::Status Drainer::keep_roster() {
  return roster_.take_changed() ? host::replace_file(roster_path(config_), roster_.text(), 0644) : absl::OkStatus();
}

absl::Status Drainer::remember(const std::vector<SourceProgress>& progress) {
  const std::lock_guard lock(roster_mutex_);
  for (size_t source = 0; source < progress.size(); ++source)
    roster_.saw(source, progress[source].seen, progress[source].resolved);
  return keep_roster();
}

DrainerSnapshot Drainer::snapshot() {
  DrainerSnapshot snapshot;
  loop_.run_and_wait([&] { snapshot = snapshot_on_loop(); });
  return snapshot;
}

DrainerSnapshot Drainer::snapshot_on_loop() const {
  DrainerSnapshot snapshot{.node_id = config_.node_id,
                           .dest_db_type = config_.dest_db_type,
                           .pipeline = {},
                           .pumps = {},
                           .ddls_left_out = ddls_left_out_,
                           .synced = false,
                           .now = clock_.wall_now(),
                           .hold = {},
                           .steady_now = clock_.now(),
                           .waits_before_start = {},
                           .started = made_at_};
  {
    const std::lock_guard lock(mutex_);
    if (pipeline_)
      snapshot.pipeline = pipeline_->status();
    else
      snapshot.waits_before_start = waits_before_start_;
    if (sink_) snapshot.ddls_left_out += sink_->ddls_left_out();
    if (sink_) snapshot.hold = sink_->hold();
  }
  for (const auto& source : sources_) snapshot.pumps.push_back(source->status());
  snapshot.synced = snapshot.ready() &&
                    clock_.now() - snapshot.pipeline.last_submit > std::chrono::minutes(config_.synced_check_minutes);
  return snapshot;
}

net::HttpRoutes Drainer::routes() {
  net::HttpRoutes routes;
  routes.add("GET", "/status", [this](const auto&) { return json(go_status(snapshot_on_loop())); });
  routes.add("GET", "/commit_ts", [this](const auto&) { return json(go_commit_ts(snapshot_on_loop())); });
  routes.add("PUT", "/state/{node}/{action}", [this](const auto& request) { return change_state(request); });
  routes.add("GET", "/metrics", [this](const auto&) { return metrics_.page(snapshot_on_loop()); });
  routes.add("GET", "/healthz", [](const auto&) { return net::HttpResponse{.body = "ok\n"}; });
  routes.add("GET", "/readyz", [this](const auto&) {
    const DrainerSnapshot now = snapshot_on_loop();
    return now.ready() ? net::HttpResponse{.body = "ready\n"}
                       : net::HttpResponse{.status = 503, .body = fmt::format("not ready: {}\n", now.waits_for())};
  });
  routes.add("GET", "/api/v1/status", [this](const auto&) { return json(detailed_status(snapshot_on_loop())); });
  return routes;
}

// Both actions stop the process; they differ in the state that a registry keeps, and a static list keeps none.
net::HttpResponse Drainer::change_state(const net::HttpRequest& request) {
  const std::string& node = request.parameters.at("node");
  const std::string& action = request.parameters.at("action");
  if (node != config_.node_id)
    return json(go_response(fmt::format("invalid nodeID {}, this pump's nodeID is {}", node, config_.node_id), 3));
  if (stopping_) return json(go_response(fmt::format("this pump's state is pausing, apply {} failed!", action), 3));
  if (action != "pause" && action != "close") return json(go_response(fmt::format("invalid action {}", action), 3));
  spdlog::info("asked to stop over HTTP action={}", action);
  request_stop();
  return json(go_response(fmt::format("apply action {} success!", action), 200));
}

// One line for machines; the text of an error follows it as the last line (exit codes' contract).
void Drainer::log_summary(const absl::Status& status, std::chrono::steady_clock::duration took) {
  PipelineStatus p;
  std::set<CommitTs> not_met = ignored_;
  uint64_t left_out = 0;
  {
    const std::lock_guard lock(mutex_);
    if (pipeline_) p = pipeline_->status();
    left_out = left_out_;
    for (const CommitTs ts : ignored_met_) not_met.erase(ts);
  }
  if (!ignored_.empty()) spdlog::warn("transactions left out by --ignore-txn-commit-ts: {}", left_out);
  for (const CommitTs ts : not_met)
    spdlog::warn("--ignore-txn-commit-ts names commit ts {}, which didn't come in this run", ts);
  spdlog::info(
      "drainer finished transactions={} rows={} ddls={} bytes={} seconds={:.3f} resolved_ts={} position={} exit={}",
      p.transactions, p.rows(), p.ddls, p.payload_bytes, std::chrono::duration<double>(took).count(), p.resolved,
      p.durable, static_cast<int>(exit_code(status.code())));
}

}  // namespace sluice::drainer
