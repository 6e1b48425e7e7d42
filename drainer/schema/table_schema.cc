#include "drainer/schema/table_schema.h"

#include <algorithm>
#include <limits>

#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/status.h"
#include "drainer/schema/compression.h"

namespace sluice::drainer::schema {
namespace {

namespace json = boost::json;

constexpr int64_t kStatePublic = 5;
constexpr int64_t kWholeColumn = -1;

// Reads a table info's keys; the first one that is missing or of a wrong kind is remembered and fails the whole.
class InfoReader {
 public:
  explicit InfoReader(int64_t job_id) : job_id_(job_id) {}

  [[nodiscard]] absl::Status status() const {
    if (bad_key_.empty()) return absl::OkStatus();
    return absl::DataLossError(
        fmt::format("DDL history: job {}: key {} of its table info is missing or of a wrong kind; "
                    "fetch /ddl/history again",
                    job_id_, bad_key_));
  }
  void fail(std::string_view key) {
    if (bad_key_.empty()) bad_key_ = key;
  }

  const json::value* find(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  int64_t integer(const json::object& object, std::string_view key) {
    const json::value* value = find(object, key);
    if (value != nullptr && value->is_int64()) return value->get_int64();
    if (value != nullptr && value->is_uint64()) return static_cast<int64_t>(value->get_uint64());
    return fail(key), 0;
  }
  bool flag(const json::object& object, std::string_view key) {
    const json::value* value = find(object, key);
    return value != nullptr && value->is_bool() && value->get_bool();
  }
  std::string text(const json::object& object, std::string_view key) {
    const json::value* value = find(object, key);
    if (value == nullptr || !value->is_string()) return fail(key), std::string();
    return std::string(value->get_string().begin(), value->get_string().end());
  }
  std::string name(const json::object& object, std::string_view key) {
    const json::value* value = find(object, key);
    if (value == nullptr || !value->is_object()) return fail(key), std::string();
    return text(value->get_object(), "O");
  }
  const json::array& list(const json::object& object, std::string_view key) {
    static const json::array kNone;
    const json::value* value = find(object, key);
    if (value == nullptr) return kNone;
    if (!value->is_array()) return fail(key), kNone;
    return value->get_array();
  }
  const json::object& object_of(const json::value& value, std::string_view key) {
    static const json::object kNone;
    if (!value.is_object()) return fail(key), kNone;
    return value.get_object();
  }

 private:
  int64_t job_id_;
  std::string bad_key_;
};

// Lengths above int32 (LONGBLOB's) say no more than "the type's default".
int32_t length_of(int64_t value) {
  return value < 0 || value > std::numeric_limits<int32_t>::max() ? -1 : static_cast<int32_t>(value);
}

void read_type(InfoReader& in, const json::object& type, change::ColumnDef& column) {
  column.type = static_cast<change::MysqlType>(static_cast<uint8_t>(in.integer(type, "Tp")));
  column.flags = static_cast<uint32_t>(in.integer(type, "Flag"));
  column.length = length_of(in.integer(type, "Flen"));
  column.decimals = length_of(in.integer(type, "Decimal"));
  column.charset = in.text(type, "Charset");
  column.collation = in.text(type, "Collate");
  for (const json::value& element : in.list(type, "Elems")) {
    if (!element.is_string()) return in.fail("Elems");
    column.elements.emplace_back(element.get_string().begin(), element.get_string().end());
  }
}

// BIT keeps its bytes in base64 beside the text, which can't hold them.
std::optional<std::string> origin_default(InfoReader& in, const json::object& info, const change::ColumnDef& column) {
  if (column.type == change::MysqlType::bit) {
    const json::value* bits = in.find(info, "origin_default_bit");
    if (bits != nullptr && bits->is_string()) {
      std::string bytes;
      const json::string& encoded = bits->get_string();
      if (!absl::Base64Unescape(absl::string_view(encoded.data(), encoded.size()), &bytes))
        in.fail("origin_default_bit");
      return bytes;
    }
  }
  const json::value* value = in.find(info, "origin_default");
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::string(value->get_string().begin(), value->get_string().end());
  return json::serialize(*value);  // numbers, in old versions
}

bool defaults_to_now(InfoReader& in, const json::object& info) {
  const json::value* value = in.find(info, "default");
  if (value == nullptr || !value->is_string()) return false;
  const absl::string_view text(value->get_string().data(), value->get_string().size());
  return absl::StartsWithIgnoreCase(text, "CURRENT_TIMESTAMP") || absl::StartsWithIgnoreCase(text, "CURRENT_DATE");
}

uint64_t hash_of(const json::value& value) {
  return xxh3(as_bytes(json::serialize(value)));
}

// Flags that say which keys a column is in; an index's DDL changes them, and no column.
constexpr uint64_t kKeyFlags =
    change::kColumnPrimaryKey | change::kColumnUniqueKey | 8 /* any key */ | 4096 /* no default */ | 16384;

uint64_t column_hash(const json::object& info, const change::ColumnDef& column) {
  json::object kept = info;
  for (const char* key :
       {"id", "offset", "state", "version", "change_state_info", "dependences", "origin_default", "origin_default_bit"})
    kept.erase(key);
  if (json::value* type = kept.if_contains("type"); type != nullptr && type->is_object())
    type->get_object()["Flag"] = column.flags & ~kKeyFlags;
  return hash_of(kept);
}

void read_column(InfoReader& in, const json::object& info, TableSchema& table) {
  change::ColumnDef column;
  column.id = in.integer(info, "id");
  column.name = in.name(info, "name");
  const json::value* type = in.find(info, "type");
  if (type == nullptr) return in.fail("type");
  read_type(in, in.object_of(*type, "type"), column);
  const json::value* generated = in.find(info, "generated_expr_string");
  column.generated = generated != nullptr && generated->is_string() && !generated->get_string().empty();
  column.stored = in.flag(info, "generated_stored");
  column.hidden = in.flag(info, "hidden");
  column.is_public = in.integer(info, "state") == kStatePublic;
  table.origin_defaults.push_back(origin_default(in, info, column));
  table.column_hashes.push_back(column_hash(info, column));
  table.defaults_to_now.push_back(defaults_to_now(in, info));
  table.ordinals.emplace_back(column.id, static_cast<uint32_t>(table.def.columns.size()));
  table.def.columns.push_back(std::move(column));
}

void read_index(InfoReader& in, const json::object& info, bool is_common_handle, TableSchema& table) {
  change::IndexDef index;
  index.name = in.name(info, "idx_name");
  index.unique = in.flag(info, "is_unique");
  index.primary = in.flag(info, "is_primary");
  for (const json::value& item : in.list(info, "idx_cols")) {
    const json::object& part = in.object_of(item, "idx_cols");
    const int64_t column = in.integer(part, "offset");
    if (column < 0 || static_cast<size_t>(column) >= table.def.columns.size()) return in.fail("idx_cols.offset");
    const int64_t prefix = in.integer(part, "length");
    index.parts.push_back({.column = static_cast<uint32_t>(column), .prefix = length_of(prefix)});
    if (is_common_handle && index.primary)
      table.common_handle.emplace_back(static_cast<uint32_t>(column), prefix == kWholeColumn);
  }
  if (in.integer(info, "state") == kStatePublic) table.def.indexes.push_back(std::move(index));
}

void add_handle_key(InfoReader& in, TableSchema& table) {
  for (uint32_t i = 0; i < table.def.columns.size(); ++i) {
    if ((table.def.columns[i].flags & change::kColumnPrimaryKey) == 0) continue;
    change::IndexDef primary{
        .name = "PRIMARY", .unique = true, .primary = true, .parts = {{.column = i, .prefix = -1}}};
    table.def.indexes.insert(table.def.indexes.begin(), std::move(primary));
    return;
  }
  in.fail("pk_is_handle");
}

void read_partitions(InfoReader& in, const json::object& info, TableSchema& table) {
  const json::value* partition = in.find(info, "partition");
  if (partition == nullptr || !partition->is_object()) return;
  for (const json::value& item : in.list(partition->get_object(), "definitions")) {
    const json::object& definition = in.object_of(item, "definitions");
    const json::value* name = in.find(definition, "name");
    table.partitions.push_back(name == nullptr ? std::string() : in.name(definition, "name"));
    table.partition_ids.push_back(in.integer(definition, "id"));
  }
}

void read_table(InfoReader& in, const json::object& info, TableSchema& table) {
  table.def.id = in.integer(info, "id");
  table.def.name = in.name(info, "name");
  for (const json::value& item : in.list(info, "cols")) read_column(in, in.object_of(item, "cols"), table);
  std::ranges::sort(table.ordinals);
  const bool is_common_handle = in.flag(info, "is_common_handle");
  for (const json::value& item : in.list(info, "index_info"))
    read_index(in, in.object_of(item, "index_info"), is_common_handle, table);
  if (is_common_handle && table.common_handle.empty()) in.fail("index_info");
  read_partitions(in, info, table);
  json::array constraints;
  for (const char* key : {"fk_info", "constraint_info"})
    for (const json::value& item : in.list(info, key)) constraints.push_back(item);
  table.constraints_hash = hash_of(constraints);
  table.handle_is_key = in.flag(info, "pk_is_handle");
  if (table.handle_is_key) add_handle_key(in, table);
}

const json::object* find_info(const json::value& job, size_t index) {
  const json::value* info = job.is_object() ? job.get_object().if_contains("binlog") : nullptr;
  if (info == nullptr || !info->is_object()) return nullptr;
  const json::value* several = info->get_object().if_contains("MultipleTableInfos");
  const json::value* one = nullptr;
  if (several != nullptr && several->is_array() && !several->get_array().empty())
    one = index < several->get_array().size() ? &several->get_array()[index] : nullptr;
  else if (index == 0)
    one = info->get_object().if_contains("TableInfo");
  return one != nullptr && one->is_object() ? &one->get_object() : nullptr;
}

}  // namespace

int TableSchema::find_column(int64_t id) const {
  const auto it = std::ranges::lower_bound(ordinals, id, {}, &std::pair<int64_t, uint32_t>::first);
  return it == ordinals.end() || it->first != id ? -1 : static_cast<int>(it->second);
}

absl::StatusOr<std::shared_ptr<const TableSchema>> make_table_schema(const DdlJob& job, size_t index, int64_t table_id,
                                                                     std::string_view schema_name) {
  SLUICE_ASSIGN_OR_RETURN(const std::string text, decompress(job.compressed_json));
  json::error_code error;
  json::parse_options options;
  options.max_depth = 256;
  const json::value value = json::parse(text, error, {}, options);
  InfoReader in(job.id);
  auto table = std::make_shared<TableSchema>();
  const json::object* info = error ? nullptr : find_info(value, index);
  if (info == nullptr)
    in.fail("TableInfo");
  else
    read_table(in, *info, *table);
  SLUICE_RETURN_IF_ERROR(in.status());
  table->def.id = table_id;
  table->def.schema = schema_name;
  table->schema_version = job.schema_version;
  return table;
}

}  // namespace sluice::drainer::schema
