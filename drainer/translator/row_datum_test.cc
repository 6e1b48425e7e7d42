#include "drainer/translator/row_datum.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "drainer/translator/decimal_text.h"
#include "drainer/translator/json_text.h"
#include "drainer/translator/time_text.h"

namespace sluice::drainer::translator {
namespace {

using testing::HasSubstr;
using Kind = RowDatum::Kind;
using namespace std::string_literals;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

class RowDatumTest : public ::testing::Test {
 protected:
  // Decodes exactly one datum and nothing after it.
  RowDatum take(std::string_view hex) {
    bytes_ = from_hex(hex);
    std::string_view row = bytes_;
    const auto datum = take_datum(row, arena_);
    EXPECT_TRUE(datum.ok()) << datum.status();
    EXPECT_TRUE(row.empty()) << row.size() << " bytes left";
    return datum.value_or(RowDatum{});
  }
  std::string bytes_;
  std::pmr::monotonic_buffer_resource arena_;
};

TEST_F(RowDatumTest, ReadsEveryFlag) {
  EXPECT_EQ(take("00").kind, Kind::null);
  EXPECT_EQ(take("02064142"
                 "43")
                .bytes,
            "ABC");
  EXPECT_EQ(take("037fffffffffffffff").integer, -1);
  EXPECT_EQ(take("04ffffffffffffffff").unsigned_integer, UINT64_MAX);
  EXPECT_EQ(take("05bff8000000000000").real, 1.5);
  EXPECT_EQ(take("054007ffffffffffff").real, -1.5);
  EXPECT_EQ(take("078000000000000001").integer, 1);
  EXPECT_EQ(take("0803").integer, -2);
  EXPECT_EQ(take("09ac02").unsigned_integer, 300u);
  EXPECT_EQ(take("0a0401").kind, Kind::json);
}

TEST_F(RowDatumTest, JoinsTheGroupsOfMemcomparableStrings) {
  EXPECT_EQ(take("01"
                 "6162636465666768"
                 "ff"
                 "6900000000000000"
                 "f8")
                .bytes,
            "abcdefghi");
  EXPECT_EQ(take("01"
                 "0000000000000000"
                 "f7")
                .bytes,
            "");
}

TEST_F(RowDatumTest, RefusesEveryCutOffDatum) {
  for (const char* hex : {"01616263",
                          "0206"
                          "4142",
                          "03ff", "05bff8", "060502", "0880", "09", "0a0c05", "0a01", "15", ""}) {
    const std::string bytes = from_hex(hex);
    std::string_view row = bytes;
    EXPECT_EQ(take_datum(row, arena_).status().code(), absl::StatusCode::kDataLoss) << hex;
  }
}

std::string decimal(std::string_view hex, DecimalShape shape) {
  std::string text;
  const std::string bytes = from_hex(hex);
  EXPECT_EQ(bytes.size(), decimal_bytes(shape.precision, shape.fraction));
  const absl::Status status = append_decimal(bytes, shape, text);
  return status.ok() ? text : "error";
}

TEST(DecimalText, IsMysqlsOwnExample) {
  // From MySQL's decimal.c: 1234567890.1234 as DECIMAL(14,4).
  EXPECT_EQ(decimal("810dfb38d204d2", {.precision = 14, .fraction = 4}), "1234567890.1234");
  EXPECT_EQ(decimal("7ef204c72dfb2d", {.precision = 14, .fraction = 4}), "-1234567890.1234");
  EXPECT_EQ(decimal("800000", {.precision = 5, .fraction = 2}), "0.00");
  EXPECT_EQ(decimal("8005", {.precision = 3, .fraction = 0}), "5");
  EXPECT_EQ(decimal("ff", {.precision = 1, .fraction = 0}), "error");
}

std::string datetime(const CivilTime& time, unsigned fraction = 0) {
  std::string text;
  append_datetime(time, fraction, text);
  return text;
}

TEST(TimeText, UnpacksTheGoldenTime) {
  EXPECT_EQ(datetime(unpack_time(1850053938422743040)), "2022-04-27 04:05:07");
}

TEST(TimeText, ShiftsAcrossDaysButNotTheZeroTime) {
  const CivilTime late{
      .year = 2023, .month = 12, .day = 31, .hour = 23, .minute = 30, .second = 1, .microsecond = 5000};
  EXPECT_EQ(datetime(shift(late, std::chrono::minutes(60)), 3), "2024-01-01 00:30:01.005");
  EXPECT_EQ(datetime(shift(late, std::chrono::minutes(-24 * 60))), "2023-12-30 23:30:01");
  EXPECT_EQ(datetime(shift({}, std::chrono::minutes(60))), "0000-00-00 00:00:00");
}

TEST(TimeText, PrintsDurationsOfBothSigns) {
  const auto text = [](int64_t ns, unsigned fraction) {
    std::string out;
    append_duration(ns, fraction, out);
    return out;
  };
  EXPECT_EQ(text(-(838LL * 3600 + 59 * 60 + 59) * 1'000'000'000, 0), "-838:59:59");
  EXPECT_EQ(text(1'500'000'000, 2), "00:00:01.50");
  EXPECT_EQ(text(INT64_MIN, 0).substr(0, 1), "-");
}

template <class T>
std::string le(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string json(const std::string& value) {
  std::string text;
  const auto size = json_bytes(value);
  if (!size.ok()) return std::string(message_of(size.status()));
  EXPECT_EQ(*size, value.size());
  const absl::Status status = append_json(value, text);
  return status.ok() ? text : std::string(message_of(status));
}

TEST(JsonText, PrintsEveryScalar) {
  EXPECT_EQ(json("\x04\x00"s), "null");
  EXPECT_EQ(json("\x04\x01"s), "true");
  EXPECT_EQ(json("\x04\x02"s), "false");
  EXPECT_EQ(json("\x09" + le<int64_t>(-5)), "-5");
  EXPECT_EQ(json("\x0a" + le(UINT64_MAX)), "18446744073709551615");
  EXPECT_EQ(json("\x0c\x05"
                 "a\"\n\x01\xff"s),
            R"("a\"\n\u0001\ufffd")");
  EXPECT_EQ(json("\x0d\xfc\x03"
                 "abc"s),
            R"("base64:type252:YWJj")");
  EXPECT_EQ(json("\x11" + le<int64_t>(3'661'000'000'000) + le<uint32_t>(0)), R"("01:01:01")");
  const uint64_t time = uint64_t{2023} << 50 | uint64_t{3} << 46 | uint64_t{9} << 41 | uint64_t{4} << 36 |
                        uint64_t{5} << 30 | uint64_t{6} << 24 | 7 << 4;
  EXPECT_EQ(json("\x0e" + le(time)), R"("2023-03-09")");
  EXPECT_EQ(json("\x0f" + le(time)), R"("2023-03-09 04:05:06.000007")");
}

TEST(JsonText, PrintsFloatsAsGoDoes) {
  const auto number = [](double value) { return json("\x0b" + le(value)); };
  EXPECT_EQ(number(1), "1");
  EXPECT_EQ(number(-0.25), "-0.25");
  EXPECT_EQ(number(1e20), "100000000000000000000");
  EXPECT_EQ(number(1e21), "1e+21");
  EXPECT_EQ(number(1e-6), "0.000001");
  EXPECT_EQ(number(1.5e-7), "1.5e-7");
  EXPECT_EQ(number(1e-10), "1e-10");
}

// {"a": [1]}: count, size, one key entry, one value entry, the key, the array.
std::string nested() {
  const std::string array = le<uint32_t>(1) + le<uint32_t>(21) + "\x09" + le<uint32_t>(13) + le<int64_t>(1);
  return "\x01" + le<uint32_t>(1) + le<uint32_t>(19 + 1 + 21) + le<uint32_t>(19) + le<uint16_t>(1) + "\x03" +
         le<uint32_t>(20) + "a" + array;
}

TEST(JsonText, SeparatesAsMysqlDoes) {
  EXPECT_EQ(json(nested()), R"({"a": [1]})");
  const std::string two = "\x03" + le<uint32_t>(2) + le<uint32_t>(18) + "\x04\x01\0\0\0"s + "\x04\x02\0\0\0"s;
  EXPECT_EQ(json(two), "[true, false]");
}

TEST(JsonText, RefusesValuesThatReachOutOrRepeatWithoutEnd) {
  std::string out_of_range = nested();
  out_of_range[16] = 99;
  EXPECT_THAT(json(out_of_range), HasSubstr("out of range"));
  // An array whose element is the array itself.
  const std::string loop = "\x03" + le<uint32_t>(1) + le<uint32_t>(13) + "\x03" + le<uint32_t>(0);
  EXPECT_THAT(json(loop), HasSubstr("JSON value"));
}

}  // namespace
}  // namespace sluice::drainer::translator
