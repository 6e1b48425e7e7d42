// The best hand-written bulk loader that we know for MariaDB: rows of sysbench's table, --batch of them a transaction,
// every connection its own range of ids. The ceiling of a drainer into MariaDB.
//
//   mariadb_loader --port P [--table T] [--rows N] [--batch N] [--connections N] [--first N] [--mode bulk|multi]
//
// bulk: one prepared INSERT, its parameters bound as arrays (MariaDB's bulk protocol); multi: one text INSERT of
// --batch rows. LOAD DATA is no faster than bulk. The table must exist. Prints JSON: {"rows_per_second":…,"seconds":…}
#include <mysql.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "bench/ceilings/flags.h"

namespace sluice::ceilings {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die_of(MYSQL* connection, const char* what) {
  std::fprintf(stderr, "mariadb_loader: %s: %s\n", what, ::mysql_error(connection));
  std::exit(1);
}

// Values made beforehand, so that making them isn't what is measured.
struct Values {
  static constexpr size_t kCount = 1024;
  std::vector<int64_t> k;
  std::vector<std::string> c, pad, text;  // text: what follows the id in a text INSERT

  Values() {
    std::mt19937_64 random(42);
    const auto groups = [&](unsigned count) {  // as sysbench makes them
      std::string made;
      for (unsigned i = 0; i < count; ++i) {
        std::string digits = std::to_string(random() % 100'000'000'000);
        made += (i == 0 ? "" : "-") + std::string(11 - digits.size(), '0') + digits;
      }
      return made;
    };
    for (size_t i = 0; i < kCount; ++i) {
      k.push_back(static_cast<int64_t>(random() % 1'000'000));
      c.push_back(groups(10));
      pad.push_back(groups(5));
      text.push_back("," + std::to_string(k[i]) + ",'" + c[i] + "','" + pad[i] + "')");
    }
  }
};

struct Job {
  unsigned port = 0;
  std::string table;
  uint64_t batch = 1000;
  bool bulk = true;
};

class Loader {
 public:
  Loader(const Job& job, const Values& values) : job_(job), values_(values), connection_(::mysql_init(nullptr)) {
    if (::mysql_real_connect(connection_, "127.0.0.1", "root", "", nullptr, job.port, nullptr, 0) == nullptr)
      die_of(connection_, "connect");
    if (::mysql_set_character_set(connection_, "utf8mb4") != 0) die_of(connection_, "character set");
    if (job.bulk) prepare();
  }
  ~Loader() {
    if (statement_ != nullptr) ::mysql_stmt_close(statement_);
    ::mysql_close(connection_);
  }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  void load(uint64_t first, uint64_t count) {
    for (uint64_t id = first; id < first + count; id += job_.batch) {
      const uint64_t rows = std::min(job_.batch, first + count - id);
      if (job_.bulk)
        load_bulk(id, rows);
      else
        load_text(id, rows);
    }
  }

 private:
  void prepare() {
    const std::string sql = "INSERT INTO " + job_.table + " VALUES (?,?,?,?)";
    statement_ = ::mysql_stmt_init(connection_);
    if (::mysql_stmt_prepare(statement_, sql.data(), sql.size()) != 0) die_of(connection_, "prepare");
    ids_.resize(job_.batch);
    for (size_t i = 0; i < job_.batch; ++i) {
      const size_t value = i % Values::kCount;
      k_.push_back(values_.k[value]);
      c_.push_back(const_cast<char*>(values_.c[value].data()));  // the library only reads it
      pad_.push_back(const_cast<char*>(values_.pad[value].data()));
      c_bytes_.push_back(values_.c[value].size());
      pad_bytes_.push_back(values_.pad[value].size());
    }
  }

  void load_bulk(uint64_t first, uint64_t rows) {
    for (uint64_t i = 0; i < rows; ++i) ids_[i] = static_cast<int64_t>(first + i);
    if (rows != bound_) bind(rows);
    if (::mysql_stmt_execute(statement_) != 0) {
      std::fprintf(stderr, "mariadb_loader: %s\n", ::mysql_stmt_error(statement_));
      std::exit(1);
    }
  }

  void bind(uint64_t rows) {
    unsigned array = static_cast<unsigned>(rows);
    if (::mysql_stmt_attr_set(statement_, STMT_ATTR_ARRAY_SIZE, &array)) die_of(connection_, "array size");
    MYSQL_BIND binds[4]{};
    binds[0].buffer_type = binds[1].buffer_type = MYSQL_TYPE_LONGLONG;
    binds[0].buffer = ids_.data();
    binds[1].buffer = k_.data();
    binds[2].buffer_type = binds[3].buffer_type = MYSQL_TYPE_STRING;
    binds[2].buffer = c_.data();
    binds[3].buffer = pad_.data();
    binds[2].length = c_bytes_.data();
    binds[3].length = pad_bytes_.data();
    if (::mysql_stmt_bind_param(statement_, binds)) die_of(connection_, "bind");
    bound_ = rows;
  }

  void load_text(uint64_t first, uint64_t rows) {
    sql_ = "INSERT INTO " + job_.table + " VALUES ";
    for (uint64_t id = first; id < first + rows; ++id) {
      sql_ += id == first ? "(" : ",(";
      sql_ += std::to_string(id);
      sql_ += values_.text[id % Values::kCount];
    }
    if (::mysql_real_query(connection_, sql_.data(), sql_.size()) != 0) die_of(connection_, "insert");
  }

  const Job& job_;
  const Values& values_;
  MYSQL* connection_;
  MYSQL_STMT* statement_ = nullptr;
  std::vector<int64_t> ids_, k_;
  std::vector<char*> c_, pad_;
  std::vector<unsigned long> c_bytes_, pad_bytes_;
  uint64_t bound_ = 0;
  std::string sql_;
};

}  // namespace
}  // namespace sluice::ceilings

int main(int argc, char** argv) {
  using namespace sluice::ceilings;
  const auto flags = parse_flags(argc, argv,
                                 {{"port", "3306"},
                                  {"table", "sbtest.sbtest1"},
                                  {"rows", "100000"},
                                  {"batch", "1000"},
                                  {"connections", "1"},
                                  {"first", "1"},
                                  {"mode", "bulk"}});
  const Job job{.port = static_cast<unsigned>(std::stoul(flags.at("port"))),
                .table = flags.at("table"),
                .batch = std::max<uint64_t>(1, std::stoull(flags.at("batch"))),
                .bulk = flags.at("mode") == "bulk"};
  const uint64_t rows = std::stoull(flags.at("rows"));
  const uint64_t connections = std::max<uint64_t>(1, std::stoull(flags.at("connections")));
  const uint64_t first = std::stoull(flags.at("first"));
  ::mysql_library_init(0, nullptr, nullptr);
  const Values values;
  std::atomic<uint64_t> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < connections; ++i)
    threads.emplace_back([&, i] {
      ::mysql_thread_init();
      {
        Loader loader(job, values);
        ++ready;
        ready.notify_all();
        go.wait(false);
        const uint64_t from = rows * i / connections;
        loader.load(first + from, rows * (i + 1) / connections - from);
      }
      ::mysql_thread_end();
    });
  for (uint64_t seen = ready; seen < connections; seen = ready) ready.wait(seen);
  const auto begin = Clock::now();
  go = true;
  go.notify_all();
  for (std::thread& thread : threads) thread.join();
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf("{\"rows_per_second\":%.1f,\"seconds\":%.6f}\n", static_cast<double>(rows) / took, took);
}
