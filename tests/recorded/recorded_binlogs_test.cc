// What the translator and the file sink make of a real TiDB's binlogs, held against the Go Drainer's own file.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "drainer/sinks/file/binlog_file_reader.h"
#include "drainer/sinks/file/binlog_folder.h"
#include "drainer/sinks/file/binlog_payload.h"
#include "drainer/sinks/file/file_sink.h"
#include "drainer/sinks/file/pb_binlog.pb.h"
#include "drainer/translator/translator.h"
#include "tests/recorded/recorded_input.h"

namespace sluice::drainer::sinks::file {
namespace {

namespace fs = std::filesystem;

// Payloads by commit ts.
using Records = std::map<uint64_t, std::string>;

// A column as one line a person can compare.
std::string describe(const std::string& bytes) {
  pb_binlog::Column column;
  if (!column.ParseFromString(bytes)) return "not a column";
  return fmt::format("{} {} {} = {} -> {}", column.name(), to_hex(column.tp()), column.mysql_type(),
                     to_hex(column.value()), to_hex(column.changed_value()));
}

// Every event of a record, a line for its head and one for each column; a DDL is its text.
std::vector<std::string> events_of(const std::string& payload) {
  pb_binlog::Binlog binlog;
  if (!binlog.ParseFromString(payload)) return {"not a binlog"};
  if (binlog.tp() == pb_binlog::DDL) return {binlog.ddl_query()};
  std::vector<std::string> lines;
  for (const pb_binlog::Event& event : binlog.dml_data().events()) {
    lines.push_back(
        fmt::format("{}.{} {}", event.schema_name(), event.table_name(), pb_binlog::EventType_Name(event.tp())));
    for (const std::string& column : event.row()) lines.push_back(describe(column));
  }
  return lines;
}

class RecordedBinlogs : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sluice-file-sink-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string corpus(const std::string& name) { return std::string(SLUICE_SOURCE_DIR) + "/tests/data/" + name; }

  // Reads a corpus through the translator into the sink.
  void translate(const std::string& name, uint64_t file_bytes_max = 512_MiB) {
    auto history = schema::read_ddl_history(corpus(name) + "/ddl_history.json.zst");
    ASSERT_TRUE(history.ok()) << history.status();
    schema::SchemaTracker tracker;
    ASSERT_TRUE(tracker.load(*std::move(history)).ok());
    translator::Translator translator(tracker, {});
    const auto transactions = read_recorded(corpus(name));
    ASSERT_TRUE(transactions.ok()) << transactions.status();
    const SystemClock clock;
    FileSink sink({.folder = folder_ + "/out", .file_bytes_max = file_bytes_max}, clock);
    ASSERT_TRUE(sink.open(CommitTs()).ok());
    for (const RecordedTransaction& recorded : *transactions) {
      const auto translation = translator.translate(recorded.start_ts, recorded.commit_ts, recorded.payload);
      ASSERT_TRUE(translation.ok()) << translation.status();
      if (translation->skipped != translator::SkipReason::none) continue;
      ASSERT_TRUE(sink.submit(translation->transaction).ok());
    }
    ASSERT_TRUE(sink.flush().ok());
    sink.close();
  }

  Records read_files(const std::vector<BinlogFile>& files) {
    Records records;
    for (const BinlogFile& file : files) {
      auto reader = BinlogFileReader::open(file.path);
      EXPECT_TRUE(reader.ok()) << reader.status();
      for (;;) {
        const auto payload = reader->next();
        EXPECT_TRUE(payload.ok()) << payload.status();
        if (!payload.ok() || !payload->has_value()) break;
        records.emplace(binlog_commit_ts(**payload).value().value, std::string(**payload));
      }
    }
    return records;
  }

  Records ours() { return read_files(*list_binlog_files(folder_ + "/out")); }

  Records theirs(const std::string& name) {
    for (const auto& entry : fs::directory_iterator(corpus(name))) {
      const std::string file = entry.path().filename().string();
      if (!file.starts_with("drainer-file.")) continue;
      const auto bytes = read_zstd_file(entry.path().string());
      EXPECT_TRUE(bytes.ok()) << bytes.status();
      const std::string path = folder_ + "/theirs";
      std::ofstream(path, std::ios::binary) << *bytes;
      return read_files({{.index = 0, .path = path}});
    }
    return {};
  }

  // "commit_ts: theirs | ours" of the first line that differs, for each record that does.
  std::vector<std::string> differences(const Records& theirs, const Records& ours) {
    std::vector<std::string> found;
    size_t identical = 0;
    for (const auto& [ts, payload] : theirs) {
      const auto mine = ours.find(ts);
      if (mine == ours.end())
        found.push_back(fmt::format("{}: only theirs: {}", ts, events_of(payload)[0]));
      else if (mine->second == payload)
        ++identical;
      else
        found.push_back(difference(ts, events_of(payload), events_of(mine->second)));
    }
    for (const auto& [ts, payload] : ours)
      if (!theirs.contains(ts)) found.push_back(fmt::format("{}: only ours: {}", ts, events_of(payload)[0]));
    std::cout << identical << " of " << theirs.size() << " records are identical byte by byte\n";
    return found;
  }

  static std::string difference(uint64_t ts, const std::vector<std::string>& theirs,
                                const std::vector<std::string>& ours) {
    for (size_t i = 0; i < std::min(theirs.size(), ours.size()); ++i)
      if (theirs[i] != ours[i]) return fmt::format("{}: {} | {}", ts, theirs[i], ours[i]);
    if (theirs.size() != ours.size()) return fmt::format("{}: {} lines | {} lines", ts, theirs.size(), ours.size());
    return fmt::format("{}: equal events, other bytes", ts);
  }

  std::string folder_;
};

TEST_F(RecordedBinlogs, OfEveryColumnTypeEqualTheGoDrainers) {
  translate("mixed");
  EXPECT_THAT(differences(theirs("mixed"), ours()), testing::ElementsAre());
}

// docs/differences.md gives the reasons.
TEST_F(RecordedBinlogs, OfEveryDdlEqualTheGoDrainersButWhereThatIsWrong) {
  translate("ddl");
  const std::vector<std::string> deliberate = {
      // F1: a rename runs where its unqualified names are.
      "470678362304806916: use `ddl2`; RENAME TABLE `t_renamed` TO `ddl2`.`moved`;; | use `ddl1`; RENAME TABLE "
      "`t_renamed` TO `ddl2`.`moved`;;",
      "470678362357497858: use `ddl1`; RENAME TABLE `ddl2`.`moved` TO `ddl1`.`t`;; | use `ddl2`; RENAME TABLE "
      "`ddl2`.`moved` TO `ddl1`.`t`;;",
      // F2: after RENAME of several tables rows belong to the new names.
      "470678362501414924: ddl1.x2 Insert | ddl1.x1 Insert",
      "470678362501414926: ddl1.x2 Insert | ddl1.x1 Insert",
      "470678362501414928: ddl1.x2 Insert | ddl1.x1 Insert",
      "470678362501414930: ddl1.x2 Insert | ddl1.x1 Insert",
      "470678362501414932: ddl1.x2 Insert | ddl1.x1 Insert",
      "470678362501414934: ddl1.x2 Insert | ddl1.x1 Insert",
      "470678362514784258: ddl1.x2 Insert | ddl1.x1 Insert",
      "470678362514784260: ddl1.x2 Insert | ddl1.x1 Insert",
  };
  EXPECT_THAT(differences(theirs("ddl"), ours()), testing::ElementsAreArray(deliberate));
}

TEST_F(RecordedBinlogs, AreTheSameInManySmallFiles) {
  translate("ddl");
  const Records one = ours();
  fs::remove_all(folder_ + "/out");
  translate("ddl", 4_KiB);
  EXPECT_GT(list_binlog_files(folder_ + "/out")->size(), 10u);
  EXPECT_EQ(ours(), one);
}

// Any bit of any payload may be wrong: that is an error or another transaction, never a crash, and the next one still
// decodes.
TEST_F(RecordedBinlogs, WithRandomDamageNeverCrashTheTranslator) {
  constexpr uint64_t kSeed = 20261124;
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  std::mt19937_64 random(kSeed);
  auto history = schema::read_ddl_history(corpus("mixed") + "/ddl_history.json.zst");
  ASSERT_TRUE(history.ok()) << history.status();
  schema::SchemaTracker tracker;
  ASSERT_TRUE(tracker.load(*std::move(history)).ok());
  translator::Translator translator(tracker, {});
  const auto transactions = read_recorded(corpus("mixed"));
  ASSERT_TRUE(transactions.ok()) << transactions.status();
  size_t refused = 0;
  for (size_t round = 0; round < 20'000; ++round) {
    const RecordedTransaction& recorded = (*transactions)[random() % transactions->size()];
    if (recorded.payload->size() > 16_KiB) continue;
    std::string damaged = *recorded.payload;
    for (uint64_t flips = 1 + random() % 4; flips > 0; --flips)
      damaged[random() % damaged.size()] ^= static_cast<char>(1u << random() % 8);
    if (random() % 8 == 0) damaged.resize(random() % damaged.size());
    const auto translation =
        translator.translate(recorded.start_ts, recorded.commit_ts, std::make_shared<const std::string>(damaged));
    if (translation.ok()) continue;
    ++refused;
    ASSERT_THAT(std::string(message_of(translation.status())),
                testing::HasSubstr(fmt::format("commit_ts={}", recorded.commit_ts)));
  }
  EXPECT_GT(refused, 1000u);
}

// Every column of a payload is named when its value doesn't decode.
TEST_F(RecordedBinlogs, NameTransactionTableColumnAndOffsetOfWhatDoesNotDecode) {
  auto history = schema::read_ddl_history(corpus("mixed") + "/ddl_history.json.zst");
  schema::SchemaTracker tracker;
  ASSERT_TRUE(tracker.load(*std::move(history)).ok());
  translator::Translator translator(tracker, {});
  const auto transactions = read_recorded(corpus("mixed"));
  const auto found = std::ranges::find_if(*transactions, [&](const RecordedTransaction& t) {
    const auto translation = translator.translate(t.start_ts, t.commit_ts, t.payload);
    return !translation->transaction->rows.empty() && translation->transaction->rows[0].table->name == "account";
  });
  ASSERT_NE(found, transactions->end());
  std::string damaged = *found->payload;
  // The owner's column: id 2, flag 2 (bytes), length, text.
  const size_t at = damaged.find(std::string("\x08\x04\x02", 3));
  ASSERT_NE(at, std::string::npos);
  damaged[at + 2] = 77;
  const auto translation =
      translator.translate(found->start_ts, found->commit_ts, std::make_shared<const std::string>(damaged));
  EXPECT_EQ(translation.status().code(), absl::StatusCode::kDataLoss);
  const std::string message(message_of(translation.status()));
  for (const std::string& part : {fmt::format("commit_ts={} start_ts={}", found->commit_ts, found->start_ts),
                                  std::string("table `bank`.`account`"), std::string("column `owner`"),
                                  fmt::format("at byte {}", at + 2), std::string("datum flag 77")})
    EXPECT_THAT(message, testing::HasSubstr(part));
}

}  // namespace
}  // namespace sluice::drainer::sinks::file
