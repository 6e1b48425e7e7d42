#include "drainer/schema/ddl_history.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <unordered_map>

// The one place that compiles Boost.JSON; table_schema.cc includes its declarations only.
#include <boost/json.hpp>

#include "base/status.h"
#include "drainer/schema/compression.h"

namespace sluice::drainer::schema {
namespace {

namespace json = boost::json;

constexpr std::string_view kFetchAgain =
    "fetch it again: curl http://TIDB:10080/ddl/history -o FILE (newer TiDB answers in pages: repeat with "
    "?start_job_id=N&limit=M and join the arrays)";

absl::Status broken(size_t offset, std::string_view what) {
  return absl::DataLossError(fmt::format("DDL history: {} at byte {}; {}", what, offset, kFetchAgain));
}

const json::value* find(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

int64_t int_of(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  if (value == nullptr) return 0;
  if (const int64_t* number = value->if_int64()) return *number;
  if (const uint64_t* number = value->if_uint64()) return static_cast<int64_t>(*number);
  return 0;
}

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(text->begin(), text->end());
}

// Names are {"O": as written, "L": in lower case}.
std::string name_of(const json::object& object, std::string_view key) {
  const json::value* value = find(object, key);
  const json::object* name = value == nullptr ? nullptr : value->if_object();
  return name == nullptr ? std::string() : text_of(*name, "O");
}

DdlTable table_of(const json::object& info) {
  DdlTable table{.id = int_of(info, "id"), .name = name_of(info, "name"), .partition_ids = {}};
  const json::value* partition = find(info, "partition");
  if (partition == nullptr || !partition->is_object()) return table;
  const json::value* definitions = find(partition->get_object(), "definitions");
  if (definitions == nullptr || !definitions->is_array()) return table;
  for (const json::value& definition : definitions->get_array())
    if (definition.is_object()) table.partition_ids.push_back(int_of(definition.get_object(), "id"));
  return table;
}

void read_infos(const json::object& info, DdlJob& job) {
  job.schema_version = int_of(info, "SchemaVersion");
  job.finished_ts = static_cast<uint64_t>(int_of(info, "FinishedTS"));
  if (const json::value* database = find(info, "DBInfo"); database != nullptr && database->is_object())
    job.database = name_of(database->get_object(), "db_name");
  if (const json::value* several = find(info, "MultipleTableInfos"); several != nullptr && several->is_array()) {
    for (const json::value& table : several->get_array())
      if (table.is_object()) job.tables.push_back(table_of(table.get_object()));
  }
  if (const json::value* table = find(info, "TableInfo"); table != nullptr && table->is_object() && job.tables.empty())
    job.tables.push_back(table_of(table->get_object()));
}

absl::StatusOr<DdlJob> parse_job(std::string_view text, size_t offset) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 256;
  const json::value value = json::parse(text, error, {}, options);
  if (error) return broken(offset, fmt::format("job isn't JSON ({})", error.message()));
  const json::object& object = value.get_object();  // the splitter saw its brace
  DdlJob job;
  job.id = int_of(object, "id");
  if (job.id <= 0) return broken(offset, "job without an id");
  job.type = static_cast<DdlType>(int_of(object, "type"));
  job.state = static_cast<DdlState>(int_of(object, "state"));
  job.schema_id = int_of(object, "schema_id");
  job.table_id = int_of(object, "table_id");
  job.schema_name = text_of(object, "schema_name");
  job.table_name = text_of(object, "table_name");
  job.query = text_of(object, "query");
  if (const json::value* info = find(object, "binlog"); info != nullptr && info->is_object())
    read_infos(info->get_object(), job);
  job.compressed_json = compress(text);
  return job;
}

// Finds the objects of a top-level array without building the whole document, which would take ten times its text.
class JobSplitter {
 public:
  explicit JobSplitter(std::string_view text) : text_(text) {}

  absl::Status open() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') return ++at_, absl::OkStatus();
    return broken(at_, text_.empty() ? "empty file" : "not a JSON array");
  }

  [[nodiscard]] size_t offset() const { return at_; }

  // The next object, or an empty view after the last one.
  absl::StatusOr<std::string_view> next() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == ',' && !first_) {
      ++at_;
      skip_space();
    } else if (at_ < text_.size() && text_[at_] == ']') {
      return std::string_view();
    } else if (!first_) {
      return broken(at_, "history is cut off");
    }
    if (at_ >= text_.size()) return broken(at_, "history is cut off");
    if (text_[at_] != '{') return broken(at_, "job expected");
    first_ = false;
    return object();
  }

 private:
  absl::StatusOr<std::string_view> object() {
    const size_t begin = at_;
    size_t depth = 0;
    bool quoted = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quoted) {
        if (c == '\\')
          ++at_;
        else if (c == '"')
          quoted = false;
      } else if (c == '"') {
        quoted = true;
      } else if (c == '{') {
        ++depth;
      } else if (c == '}' && --depth == 0) {
        return text_.substr(begin, ++at_ - begin);
      }
    }
    return broken(begin, "history is cut off in the job that begins");
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool first_ = true;
};

}  // namespace

absl::StatusOr<std::vector<DdlJob>> parse_ddl_history(std::string_view text) {
  JobSplitter splitter(text);
  SLUICE_RETURN_IF_ERROR(splitter.open());
  std::vector<DdlJob> jobs;
  std::unordered_map<int64_t, size_t> by_id;
  for (;;) {
    SLUICE_ASSIGN_OR_RETURN(const std::string_view object, splitter.next());
    if (object.empty()) break;
    SLUICE_ASSIGN_OR_RETURN(DdlJob job, parse_job(object, splitter.offset() - object.size()));
    const auto [it, added] = by_id.try_emplace(job.id, jobs.size());
    if (added)
      jobs.push_back(std::move(job));
    else
      jobs[it->second] = std::move(job);
  }
  std::ranges::stable_sort(jobs, {}, &DdlJob::schema_version);
  return jobs;
}

absl::StatusOr<std::vector<DdlJob>> read_ddl_history(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("DDL history {}: cannot be opened; {}", path, kFetchAgain));
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (file.bad()) return absl::DataLossError(fmt::format("DDL history {}: reading it failed", path));
  std::string text = std::move(bytes).str();
  if (is_compressed(text)) {
    absl::StatusOr<std::string> plain = decompress(text);
    if (!plain.ok()) return annotate(plain.status(), fmt::format("DDL history {}", path));
    text = *std::move(plain);
  }
  absl::StatusOr<std::vector<DdlJob>> jobs = parse_ddl_history(text);
  if (!jobs.ok()) return annotate(jobs.status(), path);
  return jobs;
}

}  // namespace sluice::drainer::schema
