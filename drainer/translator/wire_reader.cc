#include "drainer/translator/wire_reader.h"

#include "base/status.h"

namespace sluice::drainer::translator {
namespace {

constexpr unsigned kVarintBytesMax = 10;
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

}  // namespace

absl::Status WireReader::broken(std::string_view what) const {
  return absl::DataLossError(fmt::format("{} at byte {}", what, offset()));
}

absl::StatusOr<uint64_t> WireReader::varint() {
  uint64_t value = 0;
  for (unsigned i = 0; i < kVarintBytesMax && i < rest_.size(); ++i) {
    const auto byte = static_cast<uint8_t>(rest_[i]);
    value |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      rest_.remove_prefix(i + 1);
      return value;
    }
  }
  return broken("varint is cut off or too long");
}

absl::StatusOr<WireReader::Field> WireReader::next() {
  SLUICE_ASSIGN_OR_RETURN(const uint64_t tag, varint());
  Field field{.number = static_cast<uint32_t>(tag >> 3), .integer = 0, .bytes = {}, .is_bytes = false};
  if (tag >> 3 == 0 || tag >> 32 != 0) return broken("field number is out of range");
  switch (tag & 7) {
    case kVarint: {
      SLUICE_ASSIGN_OR_RETURN(field.integer, varint());
      return field;
    }
    case kFixed64:
    case kFixed32: {
      const size_t size = (tag & 7) == kFixed64 ? 8 : 4;
      if (rest_.size() < size) return broken("fixed field is cut off");
      rest_.remove_prefix(size);  // no message here has one; a newer peer's is passed over as protobuf wants
      return field;
    }
    case kBytes: {
      SLUICE_ASSIGN_OR_RETURN(const uint64_t size, varint());
      if (size > rest_.size()) return broken(fmt::format("field of {} bytes where {} are left", size, rest_.size()));
      field.bytes = rest_.substr(0, size);
      field.is_bytes = true;
      rest_.remove_prefix(size);
      return field;
    }
    default:
      return broken(fmt::format("unknown wire type {}", tag & 7));
  }
}

}  // namespace sluice::drainer::translator
