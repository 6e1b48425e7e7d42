// The least program that appends to a growing file with the file sink's durability: buffered writes, and a data sync
// after every --sync-bytes. The ceiling of a drainer that writes binlog files.
//
//   file_ceiling --file F [--bytes N] [--write-bytes N] [--sync-bytes N]
//
// Prints JSON: {"mb_per_second":…,"seconds":…}
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/ceilings/flags.h"

int main(int argc, char** argv) {
  using namespace sluice::ceilings;
  using Clock = std::chrono::steady_clock;
  const auto flags = parse_flags(
      argc, argv,
      {{"file", "file_ceiling.dat"}, {"bytes", "67108864"}, {"write-bytes", "262144"}, {"sync-bytes", "8388608"}});
  const size_t bytes = std::stoull(flags.at("bytes"));
  const size_t sync_bytes = std::stoull(flags.at("sync-bytes"));
  const std::vector<char> buffer(std::stoull(flags.at("write-bytes")), 'x');
  const int fd = ::open(flags.at("file").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) die(flags.at("file").c_str());
  const auto begin = Clock::now();
  for (size_t written = 0, unsynced = 0; written < bytes;) {
    const size_t some = std::min(buffer.size(), bytes - written);
    if (::write(fd, buffer.data(), some) != static_cast<ssize_t>(some)) die("write");
    written += some;
    unsynced += some;
    if (unsynced < sync_bytes && written < bytes) continue;
    if (::fdatasync(fd) != 0) die("fdatasync");
    unsynced = 0;
  }
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf("{\"mb_per_second\":%.3f,\"seconds\":%.6f}\n", static_cast<double>(bytes) / 1e6 / took, took);
}
