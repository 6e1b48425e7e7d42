#include "drainer/translator/table_filter.h"

#include <gtest/gtest.h>

namespace sluice::drainer::translator {
namespace {

TableFilter make(const TableFilterOptions& options) {
  auto filter = TableFilter::make(options);
  EXPECT_TRUE(filter.ok()) << filter.status();
  return *std::move(filter);
}

TEST(TableFilter, DropsTheDatabasesOwnSchemasInAnyCase) {
  const TableFilter filter;
  EXPECT_FALSE(filter.passes("mysql", "user"));
  EXPECT_FALSE(filter.passes("MySQL", ""));
  EXPECT_FALSE(filter.passes("information_schema", "x"));
  EXPECT_TRUE(filter.passes("mysql2", "user"));
}

TEST(TableFilter, ADoListPassesOnlyWhatItNames) {
  const TableFilter filter =
      make({.ignore_schemas = {}, .ignore_tables = {}, .do_schemas = {"a", "~^b[0-9]+$"}, .do_tables = {{"c", "t1"}}});
  EXPECT_TRUE(filter.passes("A", "x"));
  EXPECT_TRUE(filter.passes("b12", "x"));
  EXPECT_FALSE(filter.passes("b", "x"));
  EXPECT_TRUE(filter.passes("c", "T1"));
  EXPECT_FALSE(filter.passes("c", "t2"));
  EXPECT_FALSE(filter.passes("c", ""));  // DROP DATABASE c isn't asked for
}

TEST(TableFilter, IgnoreBeatsDo) {
  const TableFilter filter =
      make({.ignore_schemas = {"b"}, .ignore_tables = {{"a", "~^tmp_"}}, .do_schemas = {"a", "b"}, .do_tables = {}});
  EXPECT_TRUE(filter.passes("a", "t"));
  EXPECT_FALSE(filter.passes("a", "TMP_1"));
  EXPECT_FALSE(filter.passes("b", "t"));
}

TEST(TableFilter, AnEntryWithoutATildeMustMatchWhole) {
  const TableFilter filter =
      make({.ignore_schemas = {"db.", "log.*", "a$b"}, .ignore_tables = {}, .do_schemas = {}, .do_tables = {}});
  EXPECT_FALSE(filter.passes("db1", "t"));
  EXPECT_TRUE(filter.passes("db12", "t"));
  EXPECT_FALSE(filter.passes("logs", "t"));
  EXPECT_FALSE(filter.passes("a$b", "t"));
}

TEST(TableFilter, NamesAnEntryThatIsNoExpression) {
  const auto filter =
      TableFilter::make({.ignore_schemas = {"~("}, .ignore_tables = {}, .do_schemas = {}, .do_tables = {}});
  EXPECT_EQ(filter.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(filter.status().message().find("~("), absl::string_view::npos);
  EXPECT_FALSE(
      TableFilter::make({.ignore_schemas = {""}, .ignore_tables = {}, .do_schemas = {}, .do_tables = {}}).ok());
}

}  // namespace
}  // namespace sluice::drainer::translator
