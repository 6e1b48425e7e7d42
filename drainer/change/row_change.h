// Row changes: what the translator makes of a transaction's payload and every sink applies. Plain values; the bytes
// that a value points at belong to the Transaction it travels in.
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/tso.h"

namespace sluice::drainer::change {

// MySQL's type codes, as table infos carry them.
enum class MysqlType : uint8_t {
  tiny_int = 1,
  small_int = 2,
  integer = 3,
  float32 = 4,
  float64 = 5,
  null = 6,
  timestamp = 7,
  big_int = 8,
  medium_int = 9,
  date = 10,
  time = 11,
  datetime = 12,
  year = 13,
  new_date = 14,
  varchar = 15,
  bit = 16,
  json = 0xf5,
  decimal = 0xf6,
  enumeration = 0xf7,
  set = 0xf8,
  tiny_blob = 0xf9,
  medium_blob = 0xfa,
  long_blob = 0xfb,
  blob = 0xfc,
  var_string = 0xfd,
  string = 0xfe,
  geometry = 0xff,
};

// Column flags, MySQL's values.
inline constexpr uint32_t kColumnNotNull = 1;
inline constexpr uint32_t kColumnPrimaryKey = 2;
inline constexpr uint32_t kColumnUniqueKey = 4;
inline constexpr uint32_t kColumnUnsigned = 32;
inline constexpr uint32_t kColumnBinary = 128;

struct ColumnDef {
  int64_t id = 0;
  std::string name;
  MysqlType type{};
  uint32_t flags = 0;
  int32_t length = -1;    // -1: the type's default
  int32_t decimals = -1;  // digits of fraction; -1: none given
  std::string charset;
  std::string collation;
  std::vector<std::string> elements;  // of an enum or set
  bool generated = false;             // stored or virtual
  bool stored = false;
  bool hidden = false;  // an expression index's column
  bool is_public = true;

  [[nodiscard]] bool is_unsigned() const { return (flags & kColumnUnsigned) != 0; }
  // Text types with charset `binary`: BINARY, VARBINARY, the BLOBs.
  [[nodiscard]] bool is_binary() const { return charset == "binary"; }
};

struct IndexDef {
  struct Part {
    uint32_t column = 0;  // ordinal in TableDef::columns
    int32_t prefix = -1;  // characters; -1: the whole column
  };
  std::string name;
  bool unique = false;
  bool primary = false;
  std::vector<Part> parts;
};

// A table as of one schema version; shared by all row changes decoded with it, immutable.
struct TableDef {
  int64_t id = 0;
  std::string schema;
  std::string name;
  std::vector<ColumnDef> columns;
  std::vector<IndexDef> indexes;  // public ones; a clustered integer key is listed first as PRIMARY
};

// One value. `absent`: the row image has no such column.
class Datum {
 public:
  enum class Kind : uint8_t { absent, null, int64, uint64, float32, float64, bytes };

  constexpr Datum() = default;
  [[nodiscard]] static Datum null() { return Datum(Kind::null); }
  [[nodiscard]] static Datum int64(int64_t v) {
    Datum d(Kind::int64);
    d.int_ = v;
    return d;
  }
  [[nodiscard]] static Datum uint64(uint64_t v) {
    Datum d(Kind::uint64);
    d.uint_ = v;
    return d;
  }
  [[nodiscard]] static Datum float32(float v) {
    Datum d(Kind::float32);
    d.float_ = v;
    return d;
  }
  [[nodiscard]] static Datum float64(double v) {
    Datum d(Kind::float64);
    d.double_ = v;
    return d;
  }
  // Decimals, dates, times and JSON travel as text; strings as they are; enums, sets and bits as uint64.
  [[nodiscard]] static Datum bytes(std::string_view v) {
    Datum d(Kind::bytes);
    d.size_ = static_cast<uint32_t>(v.size());
    d.data_ = v.data();
    return d;
  }

  // The column's default in place of a value that the row image doesn't carry: right to write, never to find a row by.
  [[nodiscard]] Datum as_presumed() const {
    Datum d = *this;
    d.presumed_ = true;
    return d;
  }
  [[nodiscard]] bool is_presumed() const { return presumed_; }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is_absent() const { return kind_ == Kind::absent; }
  [[nodiscard]] bool is_null() const { return kind_ == Kind::null; }
  [[nodiscard]] int64_t as_int64() const {
    check(Kind::int64);
    return int_;
  }
  [[nodiscard]] uint64_t as_uint64() const {
    check(Kind::uint64);
    return uint_;
  }
  [[nodiscard]] float as_float32() const {
    check(Kind::float32);
    return float_;
  }
  [[nodiscard]] double as_float64() const {
    check(Kind::float64);
    return double_;
  }
  [[nodiscard]] std::string_view as_bytes() const {
    check(Kind::bytes);
    return {data_, size_};
  }

 private:
  constexpr explicit Datum(Kind kind) : kind_(kind) {}
  void check(Kind wanted) const {
    SLUICE_ASSERT(kind_ == wanted, "kind={} wanted={}", static_cast<int>(kind_), static_cast<int>(wanted));
  }

  Kind kind_ = Kind::absent;
  bool presumed_ = false;
  uint32_t size_ = 0;
  union {
    int64_t int_ = 0;
    uint64_t uint_;
    float float_;
    double double_;
    const char* data_;
  };
};
static_assert(sizeof(Datum) == 16);

enum class RowChangeKind : uint8_t { insert, update, remove };

struct RowChange {
  RowChangeKind kind{};
  const TableDef* table = nullptr;  // kept alive by Transaction::tables
  // Positional with table->columns. insert: only `after`; remove: only `before`; update: both.
  std::span<const Datum> before;
  std::span<const Datum> after;
  uint32_t ordinal = 0;  // place in the source transaction, counted before filters: progress survives a changed filter
};

// One thing of a table that a DDL changes, and how it is afterwards.
struct DdlElement {
  enum class Kind : uint8_t {
    column,
    index,
    partitions,   // `parts` names them, in order
    contents,     // other storage behind the same names: TRUNCATE, EXCHANGE, a rename
    constraints,  // foreign keys and checks
  };
  Kind kind{};
  std::string name{};  // of a column or an index
  bool existed = false;
  bool exists = true;
  std::vector<std::string> parts{};  // of an index: its columns, in order; empty: not checked
  MysqlType type{};                  // of a column; 0: not checked
  bool is_unsigned = false;
};

// What the objects named by a DDL must look like once it has run; decides after a crash whether it did.
struct DdlExpectation {
  std::string schema;
  std::string table;  // empty: the schema itself
  bool exists = true;
  std::vector<std::string> columns;  // visible ones, in order; empty: not checked
  std::vector<DdlElement> changes{};
};

// One DDL job, with the table infos it left behind folded into `expectations`.
struct DdlChange {
  int64_t job_id = 0;
  int type = 0;  // TiDB's ActionType
  int64_t schema_version = 0;
  std::string schema;  // the database it ran in; empty for objects without one
  std::string table;
  std::string query;      // as the binlog carries it: TiDB's restored text, what goes downstream
  std::string job_query;  // as the user typed it
  std::vector<DdlExpectation> expectations;
  // Unix time, fraction and all, at which upstream evaluated CURRENT_TIMESTAMP for rows that were there; empty: it
  // wasn't asked for.
  std::string clock{};
  // Where names without a database belong when that isn't `schema`; empty: it is.
  std::string session_schema{};
  bool creates_schema = false;  // CREATE DATABASE: there is nothing to `USE` yet
};

// One source transaction in commit order: row changes, or one DDL.
struct Transaction {
  Transaction() = default;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  StartTs start_ts;
  CommitTs commit_ts;
  int64_t schema_version = 0;  // of its DML, or of the DDL
  std::vector<RowChange> rows;
  std::optional<DdlChange> ddl;

  // Keeps what `rows` point at.
  std::shared_ptr<const std::string> payload;
  std::pmr::monotonic_buffer_resource arena;
  std::vector<std::shared_ptr<const TableDef>> tables;
  size_t memory_bytes = 0;  // payload + arena + rows, for budgets
};

}  // namespace sluice::drainer::change
