// The least program that appends durably: one thread, one write at a time, O_DIRECT. The ceiling of the log.
//
//   disk_ceiling FILE WRITE_BYTES SECONDS [FILE_BYTES [recycled|fresh]]
//
// recycled  RWF_DSYNC into a file that was written through before; what that took isn't counted
// fresh     the file is new when the clock starts: allocated ahead a step at a time, each write followed by a data
// sync,
//           which into extents never written is the faster way
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
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kFill = size_t{4} << 20;
constexpr size_t kAllocateStep = size_t{256} << 20;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

void write_through(int fd, const void* memory, size_t file_bytes) {
  for (size_t at = 0; at < file_bytes; at += kFill)
    if (::pwrite(fd, memory, kFill, static_cast<off_t>(at)) != static_cast<ssize_t>(kFill)) die("write");
  if (::fsync(fd) != 0) die("fsync");
}

void write_recycled(int fd, const void* memory, size_t bytes, size_t at) {
  const iovec block{const_cast<void*>(memory), bytes};
  if (::pwritev2(fd, &block, 1, static_cast<off_t>(at), RWF_DSYNC) != static_cast<ssize_t>(bytes)) die("write");
}

// `allocated` counts what was allocated so far.
void write_fresh(int fd, const void* memory, size_t bytes, size_t at, size_t& allocated) {
  for (; at + bytes > allocated; allocated += kAllocateStep)
    if (::posix_fallocate(fd, static_cast<off_t>(allocated), static_cast<off_t>(kAllocateStep)) != 0) die("allocate");
  if (::pwrite(fd, memory, bytes, static_cast<off_t>(at)) != static_cast<ssize_t>(bytes)) die("write");
  if (::fdatasync(fd) != 0) die("fdatasync");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: disk_ceiling FILE WRITE_BYTES SECONDS [FILE_BYTES [recycled|fresh]]\n");
    return 2;
  }
  const size_t bytes = std::stoull(argv[2]) / 4096 * 4096;
  const double seconds = std::stod(argv[3]);
  const size_t file_bytes = std::max<size_t>(argc > 4 ? std::stoull(argv[4]) : size_t{1} << 30, bytes) / kFill * kFill;
  const bool fresh = argc > 5 && std::string_view(argv[5]) == "fresh";
  const int fd = ::open(argv[1], O_RDWR | O_CREAT | O_DIRECT | (fresh ? O_TRUNC : 0), 0644);
  if (fd < 0) die(argv[1]);
  void* memory = nullptr;
  if (::posix_memalign(&memory, 4096, std::max(bytes, kFill)) != 0) die("memory");
  std::memset(memory, 7, std::max(bytes, kFill));
  if (!fresh) write_through(fd, memory, file_bytes);

  size_t allocated = 0;
  std::vector<double> latencies_us;
  const auto begin = Clock::now();
  auto now = begin;
  for (size_t at = 0; now - begin < std::chrono::duration<double>(seconds); at += bytes) {
    if (!fresh && at + bytes > file_bytes) at = 0;
    if (fresh)
      write_fresh(fd, memory, bytes, at, allocated);
    else
      write_recycled(fd, memory, bytes, at);
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
