#include "drainer/sinks/mysql/ddl_classifier.h"

#include <gtest/gtest.h>

namespace sluice::drainer::sinks::mysql {
namespace {

DdlAction action(int type, std::string query, ServerKind server = ServerKind::mariadb) {
  change::DdlChange ddl;
  ddl.type = type;
  ddl.query = std::move(query);
  return classify_ddl(ddl, server).action;
}

TEST(DdlClassifier, SkipsWhatChangesNoRowAndMariadbLacks) {
  EXPECT_EQ(action(41, "alter table t alter index ia2 invisible"), DdlAction::skip_row_neutral);
  EXPECT_EQ(action(51, "create placement policy pp followers=2"), DdlAction::skip_row_neutral);
  EXPECT_EQ(action(53, "drop placement policy pp"), DdlAction::skip_row_neutral);
  EXPECT_EQ(action(56, "alter table plt placement policy=default"), DdlAction::skip_row_neutral);
  EXPECT_EQ(action(57, "alter table x1 cache"), DdlAction::skip_row_neutral);
  EXPECT_EQ(action(59, "alter table x1 nocache"), DdlAction::skip_row_neutral);
  EXPECT_EQ(action(67, "alter table ttl1 remove ttl"), DdlAction::skip_row_neutral);
  EXPECT_EQ(action(68, "create resource group rg ru_per_sec=100"), DdlAction::skip_row_neutral);
}

TEST(DdlClassifier, RunsAStatementThatDoesMoreThanItsTypeTells) {
  EXPECT_EQ(action(41, "alter table t alter index ia invisible, add column c int"), DdlAction::run);
  EXPECT_EQ(action(67, "alter table t remove ttl, remove partitioning"), DdlAction::run);
}

TEST(DdlClassifier, IsNotMisledByNamesTextsAndComments) {
  EXPECT_EQ(action(41, "alter table `add` alter index `drop` invisible /* rename */"), DdlAction::skip_row_neutral);
}

TEST(DdlClassifier, RunsEverythingElse) {
  EXPECT_EQ(action(5, "alter table t add column c int"), DdlAction::run);
  EXPECT_EQ(action(61, "alter table t add column c int, alter index i invisible"), DdlAction::run);
  EXPECT_EQ(action(17, "alter table t comment 'x'"), DdlAction::run);
}

TEST(DdlClassifier, CallsRecoverAndFlashbackImpossibleButForTidb) {
  EXPECT_EQ(action(25, "recover table x2"), DdlAction::impossible);
  EXPECT_EQ(action(63, "flashback database d"), DdlAction::impossible);
  EXPECT_EQ(action(25, "recover table x2", ServerKind::tidb), DdlAction::run);
}

TEST(DdlClassifier, LeavesToMysqlAndTidbWhatTheyKnow) {
  EXPECT_EQ(action(41, "alter table t alter index i invisible", ServerKind::mysql), DdlAction::run);
  EXPECT_EQ(action(56, "alter table t placement policy=p", ServerKind::mysql), DdlAction::skip_row_neutral);
  EXPECT_EQ(action(34, "create sequence s", ServerKind::mysql), DdlAction::skip_row_neutral);
  EXPECT_EQ(action(34, "create sequence s", ServerKind::mariadb), DdlAction::run);
  EXPECT_EQ(action(56, "alter table t placement policy=p", ServerKind::tidb), DdlAction::run);
}

TEST(DdlClassifier, KnowsTheDropsThatRepeatOneTextForEachObject) {
  change::DdlChange ddl;
  for (const int type : {4, 24, 36}) {  // DROP TABLE, DROP VIEW, DROP SEQUENCE
    ddl.type = type;
    ddl.query = "drop x a, b";
    EXPECT_TRUE(is_multi_object_drop(ddl)) << type;
    ddl.query = "drop x `a, b`";
    EXPECT_FALSE(is_multi_object_drop(ddl)) << type;
  }
  ddl.type = 2;  // DROP DATABASE names one
  EXPECT_FALSE(is_multi_object_drop(ddl));
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
