#include "pump/durable_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice::pump {
namespace {

constexpr size_t kSmallFileBytesMax = 64_KiB;

absl::Status failed(std::string_view call, const std::filesystem::path& file) {
  return absl::UnavailableError(fmt::format("{} {}: {}", call, file.string(), std::strerror(errno)));
}

class Descriptor {
 public:
  Descriptor(const std::filesystem::path& file, int flags) : fd_(::open(file.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status write_and_sync(const std::filesystem::path& file, std::string_view text) {
  const Descriptor out(file, O_WRONLY | O_CREAT | O_TRUNC);
  if (out.get() < 0) return failed("open", file);
  while (!text.empty()) {
    const ssize_t written = ::write(out.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", file);
    text.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(out.get()) != 0) return failed("fsync", file);
  return absl::OkStatus();
}

}  // namespace

absl::Status replace_file(const std::filesystem::path& file, std::string_view text) {
  std::filesystem::path fresh = file;
  fresh += ".new";
  SLUICE_RETURN_IF_ERROR(write_and_sync(fresh, text));
  if (::rename(fresh.c_str(), file.c_str()) != 0) return failed("rename", fresh);
  const Descriptor folder(file.parent_path().empty() ? std::filesystem::path(".") : file.parent_path(),
                          O_RDONLY | O_DIRECTORY);
  if (folder.get() < 0 || ::fsync(folder.get()) != 0) return failed("fsync the folder of", file);
  return absl::OkStatus();
}

absl::StatusOr<std::string> read_small_file(const std::filesystem::path& file) {
  const Descriptor in(file, O_RDONLY);
  if (in.get() < 0) {
    if (errno == ENOENT) return absl::NotFoundError(file.string());
    return failed("open", file);
  }
  std::string text(kSmallFileBytesMax + 1, '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = ::read(in.get(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", file);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  if (filled > kSmallFileBytesMax)
    return absl::ResourceExhaustedError(fmt::format("{} has more than {} bytes", file.string(), kSmallFileBytesMax));
  text.resize(filled);
  return text;
}

}  // namespace sluice::pump
