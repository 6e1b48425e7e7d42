#include "net/tidb/byte_source.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include <zstd.h>

#include "base/status.h"

namespace sluice::net {
namespace {

constexpr uint32_t kZstdMagic = 0xFD2FB528;

struct CloseFile {
  void operator()(std::FILE* file) const { (void)std::fclose(file); }  // read only: nothing to lose
};
using File = std::unique_ptr<std::FILE, CloseFile>;

class PlainSource final : public ByteSource {
 public:
  PlainSource(std::string path, File file) : path_(std::move(path)), file_(std::move(file)) {}

  absl::StatusOr<size_t> read(MutableByteSpan to) override {
    const size_t got = std::fread(to.data(), 1, to.size(), file_.get());
    if (got < to.size() && std::ferror(file_.get()) != 0)
      return absl::InvalidArgumentError(fmt::format("cannot read {}: {}", path_, std::strerror(errno)));
    return got;
  }

 private:
  std::string path_;
  File file_;
};

struct FreeDecoder {
  void operator()(ZSTD_DCtx* decoder) const { (void)ZSTD_freeDCtx(decoder); }
};

class ZstdSource final : public ByteSource {
 public:
  ZstdSource(std::string path, File file)
      : path_(path),
        compressed_(std::move(path), std::move(file)),
        decoder_(ZSTD_createDCtx()),
        input_(ZSTD_DStreamInSize()) {}

  absl::StatusOr<size_t> read(MutableByteSpan to) override {
    ZSTD_outBuffer out{to.data(), to.size(), 0};
    while (out.pos < out.size) {
      if (in_.pos == in_.size) {
        SLUICE_ASSIGN_OR_RETURN(const size_t got, compressed_.read(input_));
        in_ = {input_.data(), got, 0};
        if (got == 0) break;
      }
      unfinished_ = ZSTD_decompressStream(decoder_.get(), &out, &in_);
      if (ZSTD_isError(unfinished_) != 0)
        return absl::InvalidArgumentError(
            fmt::format("{} is damaged: {}; fetch it again", path_, ZSTD_getErrorName(unfinished_)));
    }
    if (out.pos < out.size && unfinished_ != 0)
      return absl::InvalidArgumentError(
          fmt::format("{} is cut off in the middle of its zstd stream; fetch it again", path_));
    return out.pos;
  }

 private:
  std::string path_;
  PlainSource compressed_;
  std::unique_ptr<ZSTD_DCtx, FreeDecoder> decoder_;
  std::vector<std::byte> input_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  size_t unfinished_ = 0;  // 0: at the end of a zstd frame
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> ByteSource::open(const std::string& path) {
  File file(std::fopen(path.c_str(), "rbe"));
  if (!file) return absl::InvalidArgumentError(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  std::array<std::byte, sizeof(kZstdMagic)> magic{};
  const size_t got = std::fread(magic.data(), 1, magic.size(), file.get());
  if (std::ferror(file.get()) != 0)
    return absl::InvalidArgumentError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  std::rewind(file.get());
  if (got == magic.size() && load_le<uint32_t>(magic.data()) == kZstdMagic)
    return std::make_unique<ZstdSource>(path, std::move(file));
  return std::make_unique<PlainSource>(path, std::move(file));
}

}  // namespace sluice::net
