#include "ctl/pumps_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::ctl {
namespace {

using testing::HasSubstr;

// Recorded from a Go Pump.
constexpr char kRecorded[] =
    R"({"status":{"pump-1":{"nodeId":"pump-1","host":"127.0.0.1:8351","state":"online","isAlive":false,"score":0,)"
    R"("label":null,"maxCommitTS":470678107089010689,"updateTS":470678107246559235}},"CommitTS":470678107783692289,)"
    R"("Checkpoint":{},"ErrMsg":""})";

TEST(PumpsCommand, WordsANodeAsTheOriginalDoes) {
  const auto text = pumps_text(kRecorded);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text,
            "{NodeID: pump-1, Addr: 127.0.0.1:8351, State: online, MaxCommitTS: 470678107089010689, "
            "UpdateTime: 2026-11-24 04:28:08 +0000 UTC}\n");
}

TEST(PumpsCommand, RefusesWhatIsNoStatusPage) {
  for (const char* body : {"", "[]", "{", R"({"status":[]})", R"({"PumpPos":{}})"})
    EXPECT_THAT(pumps_text(body).status().message(), HasSubstr("isn't a pump's status page")) << body;
}

TEST(PumpsCommand, SaysThatAnAddressIsNeeded) {
  EXPECT_THAT(run_pumps({}).status().message(), HasSubstr("needs --addr"));
}

TEST(PumpsCommand, NamesANodeThatCannotBeReached) {
  EXPECT_THAT(run_pumps({.addr = "127.0.0.1:1"}).status().message(), HasSubstr("127.0.0.1:1 can't be asked"));
}

}  // namespace
}  // namespace sluice::ctl
