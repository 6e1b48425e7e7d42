// Every DDL that a real TiDB ran, interrupted before and after it runs downstream: each is decided and runs once.

#include "drainer/sinks/mysql/sql_text.h"
#include "drainer/translator/translator.h"
#include "tests/mysql_sink/sink_fixture.h"
#include "tests/recorded/recorded_input.h"

namespace sluice::drainer::sinks::mysql {
namespace {

class MysqlRecordedE2e : public SinkFixture {
 protected:
  // Ends the sink at `step` as kill -9 would.
  absl::Status apply(const std::shared_ptr<const change::Transaction>& ddl, std::optional<SinkStep> death,
                     bool skip = false) {
    MysqlSinkOptions made = options();
    if (skip) made.ddl_skip = {ddl->commit_ts};
    made.hook = [death](SinkStep step) {
      return step == death ? absl::InternalError("killed by the test") : absl::OkStatus();
    };
    MysqlSink sink(made);
    if (auto opened = sink.open(CommitTs(0)); !opened.ok()) return std::move(opened).status();
    SLUICE_RETURN_IF_ERROR(sink.submit(ddl));
    return sink.flush();
  }

  // What proves nothing: a comment made by hand, where there is a table.
  void meddle(const change::DdlChange& ddl) {
    for (const change::DdlExpectation& expectation : ddl.expectations)
      (void)admin_->execute(fmt::format("ALTER TABLE {} COMMENT='meddled {}'",
                                        quoted_table(expectation.schema, expectation.table), ++meddled_));
  }

  // True when the server takes it.
  bool is_decided(const std::shared_ptr<const change::Transaction>& ddl) {
    const absl::Status intent = apply(ddl, SinkStep::ddl_intent_written);
    if (intent.ok()) return true;  // it needs no run
    meddle(*ddl->ddl);
    const absl::Status ran = apply(ddl, SinkStep::ddl_ran);
    if (absl::IsFailedPrecondition(ran) && message_of(ran).find("interrupted") == std::string_view::npos) {
      EXPECT_STATUS_OK(apply(ddl, std::nullopt, true));
      return false;
    }
    EXPECT_TRUE(absl::IsInternal(ran)) << ddl->ddl->type << " " << ran;
    meddle(*ddl->ddl);
    const absl::Status last = apply(ddl, std::nullopt);
    EXPECT_TRUE(last.ok()) << ddl->ddl->type << " " << last;
    if (!last.ok()) EXPECT_STATUS_OK(apply(ddl, std::nullopt, true));
    return true;
  }

  int meddled_ = 0;
};

TEST_F(MysqlRecordedE2e, EveryDdlIsDecidedWhereverItIsInterrupted) {
  const std::string corpus = std::string(SLUICE_SOURCE_DIR) + "/tests/data/ddl";
  auto history = schema::read_ddl_history(corpus + "/ddl_history.json.zst");
  ASSERT_TRUE(history.ok()) << history.status();
  schema::SchemaTracker tracker;
  ASSERT_TRUE(tracker.load(*std::move(history)).ok());
  translator::Translator translator(tracker, {});
  const auto transactions = file::read_recorded(corpus);
  ASSERT_TRUE(transactions.ok()) << transactions.status();
  int decided = 0;
  int refused = 0;
  for (const file::RecordedTransaction& recorded : *transactions) {
    const auto translation = translator.translate(recorded.start_ts, recorded.commit_ts, recorded.payload);
    ASSERT_TRUE(translation.ok()) << translation.status();
    if (translation->skipped != translator::SkipReason::none || !translation->transaction->ddl) continue;
    ++(is_decided(translation->transaction) ? decided : refused);
  }
  std::cerr << "decided=" << decided << " refused=" << refused << "\n";
  EXPECT_EQ(decided + refused, 69);
  EXPECT_GE(decided, 65);
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
