// The least program that carries bytes from one thread to another over loopback TCP: the ceiling of a pull. One side
// sends the same buffer again and again, the other receives and looks at nothing.
//
//   stream_ceiling [--seconds S] [--write-bytes N]
//
// Prints JSON: {"mb_per_second":…,"bytes":…,"seconds":…}
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "bench/ceilings/flags.h"

namespace sluice::ceilings {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kReceiveBytes = size_t{1} << 20;

struct Pair {
  int sender = -1, receiver = -1;
};

Pair connect_to_ourselves() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 1) != 0) die("listen");
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
  Pair pair;
  pair.sender = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(pair.sender, reinterpret_cast<sockaddr*>(&address), size) != 0) die("connect");
  pair.receiver = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (pair.receiver < 0) die("accept");
  const int on = 1;
  (void)::setsockopt(pair.sender, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // speed only
  ::close(listener);
  return pair;
}

void send_for(int fd, double seconds, size_t write_bytes) {
  const std::vector<char> buffer(write_bytes, 'x');
  const auto begin = Clock::now();
  while (Clock::now() - begin < std::chrono::duration<double>(seconds))
    if (::send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL) < 0) die("send");
  ::close(fd);
}

}  // namespace
}  // namespace sluice::ceilings

int main(int argc, char** argv) {
  using namespace sluice::ceilings;
  const auto flags = parse_flags(argc, argv, {{"seconds", "1"}, {"write-bytes", "262144"}});
  const Pair pair = connect_to_ourselves();
  std::vector<char> buffer(kReceiveBytes);
  const auto begin = Clock::now();
  std::thread sender(
      [&] { send_for(pair.sender, std::stod(flags.at("seconds")), std::stoull(flags.at("write-bytes"))); });
  uint64_t bytes = 0;
  for (ssize_t got = 1; got > 0;) {
    got = ::recv(pair.receiver, buffer.data(), buffer.size(), 0);
    if (got < 0) die("recv");
    bytes += static_cast<uint64_t>(got);
  }
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  sender.join();
  std::printf("{\"mb_per_second\":%.3f,\"bytes\":%llu,\"seconds\":%.6f}\n", static_cast<double>(bytes) / 1e6 / took,
              static_cast<unsigned long long>(bytes), took);
}
