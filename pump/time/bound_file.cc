#include "pump/time/bound_file.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/logging.h"
#include "base/status.h"
#include "host/durable_file.h"

namespace sluice::pump {
namespace {

constexpr std::string_view kMagic = "oracle 2 ";

std::string check_of(std::string_view text) {
  return fmt::format("{:016x}", xxh3(as_bytes(text)));
}

template <class T>
bool take_number(std::string_view& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data() + text.size() || *end != ' ') return false;
  text.remove_prefix(static_cast<size_t>(end + 1 - text.data()));
  return true;
}

// What the first version kept: milliseconds and a newline.
std::optional<uint64_t> parse_first_version(std::string_view text) {
  uint64_t bound_ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bound_ms);
  if (error != std::errc() || end + 1 != text.data() + text.size() || *end != '\n') return std::nullopt;
  return bound_ms;
}

absl::StatusOr<BoundEntry> newest_entry(const std::filesystem::path& file, std::string_view text) {
  if (const auto bound_ms = parse_first_version(text)) return BoundEntry{.sequence = 0, .bound_ms = *bound_ms};
  const absl::Status nothing = absl::DataLossError(fmt::format(
      "{} holds no timestamp bound; timestamps could repeat: restore the file; or, if this machine's clock is right "
      "and was never ahead, remove it",
      file.string()));
  if (text.size() != 2 * kBoundBlockBytes) return nothing;
  const auto first = decode_bound(text.substr(0, kBoundBlockBytes));
  const auto second = decode_bound(text.substr(kBoundBlockBytes));
  if (!first.ok() && !second.ok()) return nothing;
  if (!first.ok() || !second.ok())
    spdlog::warn("one of the oracle's two bounds is damaged, going on with the other file={} error=\"{}\"",
                 file.string(), message_of(first.ok() ? second.status() : first.status()));
  if (!first.ok()) return *second;
  if (!second.ok()) return *first;
  return first->sequence > second->sequence ? *first : *second;
}

}  // namespace

std::string encode_bound(const BoundEntry& entry) {
  std::string block = fmt::format("{}{} {} ", kMagic, entry.sequence, entry.bound_ms);
  block += check_of(block) + "\n";
  block.resize(kBoundBlockBytes, '\0');
  return block;
}

absl::StatusOr<BoundEntry> decode_bound(std::string_view block) {
  BoundEntry entry;
  std::string_view rest = block;
  const absl::Status wrong = absl::DataLossError("the block holds no bound");
  if (!rest.starts_with(kMagic)) return wrong;
  rest.remove_prefix(kMagic.size());
  if (!take_number(rest, entry.sequence) || !take_number(rest, entry.bound_ms)) return wrong;
  const std::string_view said = block.substr(0, block.size() - rest.size());
  if (!rest.starts_with(check_of(said) + "\n"))
    return absl::DataLossError(fmt::format("bound {} and its check don't agree", entry.bound_ms));
  return entry;
}

absl::StatusOr<std::unique_ptr<BoundFile>> BoundFile::open(const std::filesystem::path& file) {
  SLUICE_ASSIGN_OR_RETURN(const std::optional<std::string> text, host::read_small_file(file));
  BoundEntry last;
  if (text) {
    SLUICE_ASSIGN_OR_RETURN(last, newest_entry(file, *text));
  }
  // Both blocks are written before use, so that overwriting one allocates nothing.
  if (!text || text->size() != 2 * kBoundBlockBytes)
    SLUICE_RETURN_IF_ERROR(host::replace_file(file, encode_bound(last) + encode_bound(last)));
  const int fd = ::open(file.c_str(), O_WRONLY | O_DSYNC | O_CLOEXEC);
  if (fd < 0) return absl::UnavailableError(fmt::format("open {}: {}", file.string(), std::strerror(errno)));
  return std::unique_ptr<BoundFile>(new BoundFile(file, fd, last));
}

BoundFile::~BoundFile() {
  ::close(fd_);
}

absl::Status BoundFile::write(uint64_t bound_ms) {
  const BoundEntry next{.sequence = last_.sequence + 1, .bound_ms = bound_ms};
  const std::string block = encode_bound(next);
  const auto at = static_cast<off_t>(next.sequence % 2 * kBoundBlockBytes);
  ssize_t written = 0;
  do {
    written = ::pwrite(fd_, block.data(), block.size(), at);
  } while (written < 0 && errno == EINTR);
  if (written != static_cast<ssize_t>(block.size()))
    return absl::UnavailableError(
        fmt::format("write {}: {}", file_.string(), written < 0 ? std::strerror(errno) : "not whole"));
  last_ = next;
  return absl::OkStatus();
}

}  // namespace sluice::pump
