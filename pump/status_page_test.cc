#include "pump/status_page.h"

#include <gtest/gtest.h>

namespace sluice::pump {
namespace {

// The key order and form that a Go Pump answered with: tests/data, mixed, admin/pump_status.json.
TEST(StatusPage, HasTheShapeThatToolsOfTiDbBinlogRead) {
  PumpStatus status;
  status.node_id = "pump-1";
  status.host = "127.0.0.1:8351";
  status.commit_ts = 470678107783692289;
  status.numbers.resolved_ts = 470678107089010689;
  EXPECT_EQ(
      status_json(status),
      R"({"status":{"pump-1":{"nodeId":"pump-1","host":"127.0.0.1:8351","state":"online","isAlive":false,"score":0,"label":null,)"
      R"("maxCommitTS":470678107089010689,"updateTS":470678107783692289}},"CommitTS":470678107783692289,"Checkpoint":{},"ErrMsg":""})"
      "\n");
}

TEST(StatusPage, AnswersAnActionIndentedAndEscaped) {
  EXPECT_EQ(action_json(3, "invalide action \"x\""),
            "{\n  \"message\": \"invalide action \\\"x\\\"\",\n  \"code\": 3,\n  \"data\": null\n}\n");
}

}  // namespace
}  // namespace sluice::pump
