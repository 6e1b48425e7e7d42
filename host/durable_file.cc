#include "host/durable_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/status.h"
#include "host/file_descriptor.h"

namespace sluice::host {
namespace {

absl::Status failed(std::string_view call, const std::filesystem::path& file) {
  return absl::UnavailableError(fmt::format("{} {}: {}", call, file.string(), std::strerror(errno)));
}

absl::Status write_and_sync(const std::filesystem::path& file, std::string_view text, mode_t mode) {
  const FileDescriptor out(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!out.valid()) return failed("create", file);
  while (!text.empty()) {
    const ssize_t written = ::write(out.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", file);
    text.remove_prefix(static_cast<size_t>(written));
  }
  return ::fsync(out.get()) == 0 ? absl::OkStatus() : failed("sync", file);
}

}  // namespace

absl::Status sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path named = folder.empty() ? std::filesystem::path(".") : folder;
  const FileDescriptor opened(::open(named.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.valid()) return failed("open", named);
  return ::fsync(opened.get()) == 0 ? absl::OkStatus() : failed("sync", named);
}

absl::Status replace_file(const std::filesystem::path& file, std::string_view text, mode_t mode) {
  std::filesystem::path fresh = file;
  fresh += ".new";
  SLUICE_RETURN_IF_ERROR(write_and_sync(fresh, text, mode));
  if (::rename(fresh.c_str(), file.c_str()) != 0) return failed("rename", fresh);
  return sync_folder(file.parent_path());
}

absl::StatusOr<std::optional<std::string>> read_small_file(const std::filesystem::path& file) {
  const FileDescriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.valid() && errno == ENOENT) return std::nullopt;
  if (!in.valid()) return failed("open", file);
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
    return absl::FailedPreconditionError(
        fmt::format("{} is larger than {} bytes: not a file of ours", file.string(), kSmallFileBytesMax));
  text.resize(filled);
  return text;
}

}  // namespace sluice::host
