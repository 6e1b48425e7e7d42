#include "drainer/durable_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "base/status.h"

namespace sluice::drainer {
namespace {

constexpr size_t kSmallFileBytesMax = size_t{1} << 20;

absl::Status failed(std::string_view what, const std::string& path) {
  return absl::UnavailableError(fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
}

// Closes on the way out; the writes' own errors are what counts.
struct FileDescriptor {
  int fd;
  ~FileDescriptor() {
    if (fd >= 0) ::close(fd);
  }
};

absl::Status write_and_sync(const std::string& path, std::string_view text) {
  const FileDescriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (file.fd < 0) return failed("create", path);
  while (!text.empty()) {
    const ssize_t written = ::write(file.fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", path);
    text.remove_prefix(static_cast<size_t>(written));
  }
  return ::fsync(file.fd) == 0 ? absl::OkStatus() : failed("sync", path);
}

}  // namespace

absl::Status replace_file_durably(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".tmp";
  SLUICE_RETURN_IF_ERROR(write_and_sync(temporary, text));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failed("rename", temporary);
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const FileDescriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd < 0) return failed("open", folder);
  return ::fsync(directory.fd) == 0 ? absl::OkStatus() : failed("sync", folder);
}

absl::StatusOr<std::optional<std::string>> read_small_file(const std::string& path) {
  const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0 && errno == ENOENT) return std::nullopt;
  if (file.fd < 0) return failed("open", path);
  std::string text(kSmallFileBytesMax + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kSmallFileBytesMax)
    return absl::FailedPreconditionError(fmt::format("{} is larger than 1 MiB: not a file of ours", path));
  text.resize(size);
  return text;
}

}  // namespace sluice::drainer
