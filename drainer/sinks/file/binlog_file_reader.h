// Reads a local binlog file record by record, each checked against its CRC.
// Threads:  one. Memory: one record and 64 KiB.
// Errors:   DATA_LOSS with file and offset for bytes that aren't a record; tail() then says what the rest looks like.
//           Lengths are held against the file's size before they are believed.
// Format:   docs/formats/binlog-file.md
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace sluice::drainer::sinks::file {

class BinlogFileReader {
 public:
  [[nodiscard]] static absl::StatusOr<BinlogFileReader> open(std::string path);

  // The next payload, valid until the next call; nothing at the end of the file. After an error it fails again.
  [[nodiscard]] absl::StatusOr<std::optional<std::string_view>> next();

  // Where the next record begins: the length of what has been read whole.
  [[nodiscard]] uint64_t offset() const { return offset_; }
  [[nodiscard]] uint64_t file_bytes() const { return file_bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // What follows offset() after next() failed.
  enum class Tail {
    torn,     // the beginning of a record that ends with the file, or zeros: a write that a crash cut off
    damaged,  // a whole record or something else
    records,  // damage with a good record behind it: the middle of the file
  };
  [[nodiscard]] absl::StatusOr<Tail> tail();

 private:
  struct Close {
    void operator()(std::FILE* file) const { (void)std::fclose(file); }  // read only: nothing can be lost
  };
  BinlogFileReader(std::string path, std::FILE* file, uint64_t file_bytes)
      : path_(std::move(path)), file_(file), file_bytes_(file_bytes) {}

  [[nodiscard]] absl::Status read(uint64_t bytes);
  [[nodiscard]] absl::Status broken(std::string_view what) const;
  [[nodiscard]] bool good_record_in(std::string_view rest) const;

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  uint64_t file_bytes_ = 0;
  uint64_t offset_ = 0;
  std::string buffer_;
  absl::Status failure_;
};

}  // namespace sluice::drainer::sinks::file
