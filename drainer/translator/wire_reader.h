// Reads a protobuf message in place, field by field: a transaction's rows stay views into its payload, however large it
// is.
// Errors:   DATA_LOSS with the byte offset in the whole payload.
#pragma once

#include <cstdint>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace sluice::drainer::translator {

class WireReader {
 public:
  struct Field {
    uint32_t number = 0;
    uint64_t integer = 0;    // of a varint field
    std::string_view bytes;  // of a length-delimited field
    bool is_bytes = false;
  };

  // `whole`: the payload that offsets in errors count from; `message` lies in it.
  WireReader(std::string_view whole, std::string_view message) : whole_(whole), rest_(message) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  // Offset of the next field in the whole payload.
  [[nodiscard]] size_t offset() const { return static_cast<size_t>(rest_.data() - whole_.data()); }

  [[nodiscard]] absl::StatusOr<Field> next();
  [[nodiscard]] absl::StatusOr<uint64_t> varint();

 private:
  [[nodiscard]] absl::Status broken(std::string_view what) const;

  std::string_view whole_;
  std::string_view rest_;
};

}  // namespace sluice::drainer::translator
