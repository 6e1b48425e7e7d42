#include "pump/state/data_folder.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <random>

#include <unistd.h>

#include "base/logging.h"
#include "base/status.h"
#include "host/durable_file.h"
#include "storage/disk/disk.h"

namespace sluice::pump {
namespace {

constexpr std::string_view kMagic = "sluice-pump ";
constexpr net::TimeSource kTimeSources[] = {net::TimeSource::unspecified, net::TimeSource::pd,
                                            net::TimeSource::embedded, net::TimeSource::writer};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::strchr(" \t\r\n", text.back()) != nullptr) text.remove_suffix(1);
  while (!text.empty() && std::strchr(" \t\r\n", text.front()) != nullptr) text.remove_prefix(1);
  return text;
}

template <class T>
bool parse_number(std::string_view text, T& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

// The next line, without its end, which must be there.
absl::StatusOr<std::string_view> take_line(std::string_view& text, std::string_view key) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(key))
    return absl::DataLossError(fmt::format("META has no line `{}…`; restore it from a backup", key));
  const std::string_view line = text.substr(key.size(), end - key.size());
  text.remove_prefix(end + 1);
  return line;
}

// The Go Pump's value log and metadata store.
absl::Status refuse_foreign(const std::filesystem::path& dir) {
  std::error_code ignored;  // what can't be listed isn't theirs
  bool foreign = std::filesystem::is_directory(dir / "kv", ignored);
  if (std::filesystem::is_directory(dir / "value", ignored))
    for (const auto& entry : std::filesystem::directory_iterator(dir / "value", ignored))
      foreign |= entry.path().extension() == ".vlog";
  if (!foreign) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is a Go Pump's data folder: offline the Go pump first (binlogctl -cmd offline-pump), then give "
                  "an empty --data-dir",
                  dir.string()));
}

// As a placement driver makes it: seconds, then a random number. Positive as a signed 64-bit number too.
uint64_t make_cluster_id() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  return (seconds & 0x7fffffff) << 32 | std::random_device{}();
}

absl::Status check_node_id(std::string_view id) {
  const bool sound = !id.empty() && id.size() <= 255 && id.find_first_of("/\n\r\t \"\\") == std::string_view::npos;
  if (sound) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("node id is `{}`; accepted: 1 to 255 characters without space, slash, quote or backslash", id));
}

}  // namespace

std::string_view to_string(net::TimeSource time) {
  switch (time) {
    case net::TimeSource::unspecified:
      return "undecided";
    case net::TimeSource::pd:
      return "pd";
    case net::TimeSource::embedded:
      return "embedded";
    case net::TimeSource::writer:
      return "writer";
  }
  return "unknown";
}

std::string encode_meta(const Meta& meta) {
  const std::string log = meta.log_birth_id == 0 ? "" : fmt::format("log {:016x}\n", meta.log_birth_id);
  return fmt::format("{}{}\ncluster-id {}\ntime {}\nnode-id {}\n{}", kMagic, log.empty() ? 1 : kDataFolderVersion,
                     meta.cluster_id, to_string(meta.time), meta.node_id, log);
}

absl::StatusOr<Meta> decode_meta(std::string_view text) {
  SLUICE_ASSIGN_OR_RETURN(const std::string_view version_text, take_line(text, kMagic));
  unsigned version = 0;
  if (!parse_number(version_text, version) || version == 0)
    return absl::DataLossError(fmt::format("META's version is `{}`; restore it from a backup", version_text));
  if (version > kDataFolderVersion)
    return absl::FailedPreconditionError(
        fmt::format("the folder has format version {}, this pump knows up to {}; start the newer pump again", version,
                    kDataFolderVersion));
  Meta meta;
  SLUICE_ASSIGN_OR_RETURN(const std::string_view cluster, take_line(text, "cluster-id "));
  if (!parse_number(cluster, meta.cluster_id) || meta.cluster_id == 0)
    return absl::DataLossError(fmt::format("META's cluster id is `{}`", cluster));
  SLUICE_ASSIGN_OR_RETURN(const std::string_view time, take_line(text, "time "));
  const auto* source = std::find_if(std::begin(kTimeSources), std::end(kTimeSources),
                                    [&](net::TimeSource s) { return to_string(s) == time; });
  if (source == std::end(kTimeSources)) return absl::DataLossError(fmt::format("META's time source is `{}`", time));
  meta.time = *source;
  SLUICE_ASSIGN_OR_RETURN(const std::string_view node, take_line(text, "node-id "));
  meta.node_id = node;
  if (version >= 2) {
    SLUICE_ASSIGN_OR_RETURN(const std::string_view log, take_line(text, "log "));
    if (log.size() != 16 || !parse_number(log, meta.log_birth_id, 16) || meta.log_birth_id == 0)
      return absl::DataLossError(fmt::format("META's log is `{}`, not 16 hex digits; restore META from a backup", log));
  }
  if (!text.empty()) return absl::DataLossError(fmt::format("META goes on after its last line: `{}`", text));
  return meta;
}

absl::StatusOr<std::unique_ptr<DataFolder>> DataFolder::open(const DataFolderOptions& options) {
  {
    // By the log's disk, because that makes the new names durable in their parents too.
    SLUICE_ASSIGN_OR_RETURN(const auto disk, storage::open_disk(storage::DiskBackend::pwritev2));
    SLUICE_RETURN_IF_ERROR(
        annotate(disk->create_dir(options.dir), fmt::format("cannot make data folder {}", options.dir.string())));
  }
  SLUICE_RETURN_IF_ERROR(refuse_foreign(options.dir));
  SLUICE_ASSIGN_OR_RETURN(host::FolderLock lock, host::FolderLock::take(options.dir, {.holder = "pump"}));
  std::unique_ptr<DataFolder> folder(new DataFolder(options.dir, std::move(lock)));
  SLUICE_RETURN_IF_ERROR(annotate(folder->load_or_make(options), fmt::format("data folder {}", options.dir.string())));
  return folder;
}

absl::Status DataFolder::load_or_make(const DataFolderOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(const auto text, host::read_small_file(dir_ / "META"));
  if (text) return load(*text, options);
  std::error_code ignored;  // an unreadable log folder fails when the log opens it
  if (std::filesystem::exists(log_dir(), ignored))
    return absl::DataLossError("there is a log but no META, which names its cluster; restore META from a backup");
  SLUICE_ASSIGN_OR_RETURN(std::string node_id, choose_node_id(options));
  meta_ = {.cluster_id = options.cluster_id != 0 ? options.cluster_id : make_cluster_id(),
           .time = options.time,
           .node_id = std::move(node_id)};
  return host::replace_file(dir_ / "META", encode_meta(meta_));
}

absl::Status DataFolder::load(std::string_view text, const DataFolderOptions& options) {
  SLUICE_ASSIGN_OR_RETURN(meta_, decode_meta(text));
  if (options.cluster_id != 0 && options.cluster_id != meta_.cluster_id)
    return absl::FailedPreconditionError(fmt::format("it belongs to cluster {}, not {}; give that cluster's --data-dir",
                                                     meta_.cluster_id, options.cluster_id));
  if (options.time != net::TimeSource::unspecified && meta_.time != net::TimeSource::unspecified &&
      options.time != meta_.time)
    return absl::InvalidArgumentError(
        fmt::format("its time source is {}, not {}; a cluster keeps its time source: leave out --time",
                    to_string(meta_.time), to_string(options.time)));
  Meta wanted = meta_;
  if (wanted.time == net::TimeSource::unspecified) wanted.time = options.time;
  SLUICE_ASSIGN_OR_RETURN(wanted.node_id, choose_node_id(options));
  if (wanted == meta_) return absl::OkStatus();
  if (wanted.node_id != meta_.node_id) spdlog::warn("node id changes before={} now={}", meta_.node_id, wanted.node_id);
  meta_ = std::move(wanted);
  return host::replace_file(dir_ / "META", encode_meta(meta_));
}

// `.node` is the folder's name, as in a Go Pump's folder; then META's, then the option, then host name and port, which
// is kept in `.node`. A name that the folder has isn't changed by an option that comes or goes.
absl::StatusOr<std::string> DataFolder::choose_node_id(const DataFolderOptions& options) const {
  std::string id = meta_.node_id;
  SLUICE_ASSIGN_OR_RETURN(const auto kept, host::read_small_file(dir_ / ".node"));
  if (kept) {
    id = trimmed(*kept);
    SLUICE_RETURN_IF_ERROR(annotate(check_node_id(id), (dir_ / ".node").string()));
  }
  if (!id.empty()) {
    if (options.node_id.empty() || options.node_id == id) return id;
    return absl::InvalidArgumentError(
        fmt::format("--node-id is {}, but this folder is {}'s: leave it out, or give another --data-dir; to rename the "
                    "pump, write its new name into {}",
                    options.node_id, id, (dir_ / ".node").string()));
  }
  if (!options.node_id.empty()) {
    SLUICE_RETURN_IF_ERROR(check_node_id(options.node_id));
    return options.node_id;
  }
  char host[256] = "localhost";
  if (::gethostname(host, sizeof host - 1) != 0) std::strcpy(host, "localhost");
  id = fmt::format("{}:{}", host, options.port);
  SLUICE_RETURN_IF_ERROR(host::replace_file(dir_ / ".node", id));
  return id;
}

absl::Status DataFolder::decide_time(net::TimeSource time) {
  if (meta_.time == time) return absl::OkStatus();
  if (meta_.time != net::TimeSource::unspecified)
    return absl::FailedPreconditionError(
        fmt::format("this pump's time source is {}, not {}", to_string(meta_.time), to_string(time)));
  Meta wanted = meta_;
  wanted.time = time;
  SLUICE_RETURN_IF_ERROR(host::replace_file(dir_ / "META", encode_meta(wanted)));
  meta_ = std::move(wanted);
  return absl::OkStatus();
}

absl::Status DataFolder::name_log(uint64_t birth_id) {
  if (meta_.log_birth_id == birth_id) return absl::OkStatus();
  if (meta_.log_birth_id != 0)
    return absl::FailedPreconditionError(
        fmt::format("META names the log {:016x}, this is {:016x}", meta_.log_birth_id, birth_id));
  Meta wanted = meta_;
  wanted.log_birth_id = birth_id;
  SLUICE_RETURN_IF_ERROR(host::replace_file(dir_ / "META", encode_meta(wanted)));
  meta_ = std::move(wanted);
  return absl::OkStatus();
}

}  // namespace sluice::pump
