// The least program that appends durably: one thread, one write at a time (O_DIRECT, RWF_DSYNC) into a file that was
// written through before. The ceiling of the log.
//
//   disk_ceiling FILE WRITE_BYTES SECONDS [FILE_BYTES]
//
// Prints JSON: {"writes_per_second":…,"mb_per_second":…,"p50_us":…,"p99_us":…}
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: disk_ceiling FILE WRITE_BYTES SECONDS [FILE_BYTES]\n");
    return 2;
  }
  constexpr size_t kFill = size_t{4} << 20;
  const size_t bytes = std::stoull(argv[2]) / 4096 * 4096;
  const double seconds = std::stod(argv[3]);
  const size_t file_bytes = std::max<size_t>(argc > 4 ? std::stoull(argv[4]) : size_t{1} << 30, bytes) / kFill * kFill;
  const int fd = ::open(argv[1], O_RDWR | O_CREAT | O_DIRECT, 0644);
  if (fd < 0) die(argv[1]);
  void* memory = nullptr;
  if (::posix_memalign(&memory, 4096, std::max(bytes, kFill)) != 0) die("memory");
  std::memset(memory, 7, std::max(bytes, kFill));
  for (size_t at = 0; at < file_bytes; at += kFill)
    if (::pwrite(fd, memory, kFill, static_cast<off_t>(at)) != static_cast<ssize_t>(kFill)) die("write");
  if (::fsync(fd) != 0) die("fsync");

  std::vector<double> latencies_us;
  const auto begin = Clock::now();
  auto now = begin;
  for (size_t at = 0; now - begin < std::chrono::duration<double>(seconds); at += bytes) {
    if (at + bytes > file_bytes) at = 0;
    const iovec block{memory, bytes};
    if (::pwritev2(fd, &block, 1, static_cast<off_t>(at), RWF_DSYNC) != static_cast<ssize_t>(bytes)) die("write");
    const auto then = Clock::now();
    latencies_us.push_back(std::chrono::duration<double, std::micro>(then - now).count());
    now = then;
  }
  const double took = std::chrono::duration<double>(now - begin).count();
  const double writes = static_cast<double>(latencies_us.size()) / took;
  std::sort(latencies_us.begin(), latencies_us.end());
  std::printf("{\"writes_per_second\":%.1f,\"mb_per_second\":%.3f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n", writes,
              writes * static_cast<double>(bytes) / 1e6, latencies_us[latencies_us.size() / 2],
              latencies_us[latencies_us.size() * 99 / 100]);
}
