#include "drainer/sinks/mysql/ddl_remedy.h"

#include <gmock/gmock.h>

namespace sluice::drainer::sinks::mysql {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(DdlRemedy, IsThatOfTheServersError) {
  EXPECT_THAT(ddl_remedy(1064, CommitTs(7)), HasSubstr("by hand, then start again with: drainer ... --ddl-skip 7"));
  EXPECT_THAT(ddl_remedy(0, CommitTs(7)), HasSubstr("by hand, then start again with: drainer ... --ddl-skip 7"));
  EXPECT_THAT(ddl_remedy(1050, CommitTs(7)), HasSubstr("drop or rename it"));
  EXPECT_THAT(ddl_remedy(1146, CommitTs(7)), HasSubstr("as upstream had it before this DDL"));
  EXPECT_THAT(ddl_remedy(1062, CommitTs(7)), HasSubstr("compare the table's rows"));
}

TEST(DdlRemedy, DoesNotLeaveOutADdlWhoseDatabaseIsMissing) {
  EXPECT_THAT(ddl_remedy(1049, CommitTs(7)), Not(HasSubstr("--ddl-skip")));
}

}  // namespace
}  // namespace sluice::drainer::sinks::mysql
