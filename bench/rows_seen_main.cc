// When rows become visible in MariaDB: asks again and again for the ids above those it has seen, and says when each
// came.
//
//   rows_seen --port P --tables N --seconds S
//
// Looks at sbtest.sbtest1 … sbtestN, whose ids are counted from 1 and never deleted. Prints "ready" once it looks;
// then, at its end, one line a row: table, id, and the monotonic clock's nanoseconds at which the answer with it had
// come. It ends after --seconds, or when its stdin is closed.
#include <mysql.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "bench/ceilings/flags.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

struct Seen {
  uint64_t table = 0, id = 0;
  int64_t at_ns = 0;
};

// The ids of one table that were seen: all up to `through`, and some above it.
struct Known {
  uint64_t through = 0;
  std::set<uint64_t> above;

  bool add(uint64_t id) {
    if (id <= through || !above.insert(id).second) return false;
    while (!above.empty() && *above.begin() == through + 1) {
      above.erase(above.begin());
      ++through;
    }
    return true;
  }
};

void look(MYSQL* connection, uint64_t table, Known& known, std::vector<Seen>& seen) {
  const std::string name = "sbtest.sbtest" + std::to_string(table);
  const std::string sql = "SELECT id FROM " + name + " WHERE id > " + std::to_string(known.through);
  if (::mysql_real_query(connection, sql.data(), sql.size()) != 0) {
    std::fprintf(stderr, "rows_seen: %s\n", ::mysql_error(connection));
    std::exit(1);
  }
  MYSQL_RES* const rows = ::mysql_store_result(connection);
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
  while (MYSQL_ROW row = ::mysql_fetch_row(rows))
    if (const uint64_t id = std::stoull(row[0]); known.add(id))
      seen.push_back({.table = table, .id = id, .at_ns = now});
  ::mysql_free_result(rows);
}

bool told_to_end() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return ::poll(&input, 1, 0) > 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  using namespace sluice;
  const auto flags = ceilings::parse_flags(argc, argv, {{"port", "3306"}, {"tables", "1"}, {"seconds", "10"}});
  const uint64_t tables = std::stoull(flags.at("tables"));
  MYSQL* const connection = ::mysql_init(nullptr);
  if (::mysql_real_connect(connection, "127.0.0.1", "root", "", nullptr,
                           static_cast<unsigned>(std::stoul(flags.at("port"))), nullptr, 0) == nullptr) {
    std::fprintf(stderr, "rows_seen: %s\n", ::mysql_error(connection));
    return 1;
  }
  std::vector<Known> known(tables);
  std::vector<Seen> seen;
  for (uint64_t i = 0; i < tables; ++i) look(connection, i + 1, known[i], seen);
  std::printf("ready\n");
  std::fflush(stdout);
  const auto end = Clock::now() + std::chrono::duration<double>(std::stod(flags.at("seconds")));
  while (Clock::now() < end && !told_to_end()) {
    for (uint64_t i = 0; i < tables; ++i) look(connection, i + 1, known[i], seen);
    // An open loop of one thread that polls as fast as the server answers would take a core from what it watches.
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  for (const Seen& one : seen)
    std::printf("%llu\t%llu\t%lld\n", static_cast<unsigned long long>(one.table),
                static_cast<unsigned long long>(one.id), static_cast<long long>(one.at_ns));
  ::mysql_close(connection);
}
