// What the sink's tests against MariaDB share: a server, a schema of the test's own, sinks that are opened on it.
#pragma once

#include <iostream>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/status.h"
#include "drainer/sinks/mysql/mysql_sink.h"
#include "drainer/sinks/mysql/transaction_builder.h"
#include "tests/mysql_sink/private_mariadb.h"

namespace sluice::drainer::sinks::mysql {

#define EXPECT_STATUS_OK(expression)      \
  do {                                    \
    const absl::Status s_ = (expression); \
    EXPECT_TRUE(s_.ok()) << s_;           \
  } while (false)

class SinkFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto server = PrivateMariadb::shared();
    if (absl::IsUnimplemented(server.status())) {
      std::cerr << "SKIPPED: " << message_of(server.status()) << "\n";
      GTEST_SKIP() << message_of(server.status());
    }
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *server;
    reconnect_admin();
    sql("DROP DATABASE IF EXISTS s");
    sql("DROP DATABASE IF EXISTS tidb_binlog");
    sql("CREATE DATABASE s");
  }

  void reconnect_admin() {
    auto connection = MysqlConnection::connect(server_->endpoint());
    ASSERT_TRUE(connection.ok()) << connection.status();
    admin_ = std::move(connection).value();
  }

  void sql(const std::string& text) {
    const auto done = admin_->execute(text);
    ASSERT_TRUE(done.ok()) << done.status() << " " << text;
  }

  // The rows as text: values joined by ",", rows by ";".
  std::string select(const std::string& text) {
    const auto rows = admin_->query(text);
    if (!rows.ok()) return std::string(message_of(rows.status()));
    std::string out;
    for (const auto& row : *rows) {
      if (!out.empty()) out += ';';
      for (size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + row[i].value_or("NULL");
    }
    return out;
  }

  MysqlSinkOptions options() const {
    MysqlSinkOptions made;
    made.endpoint = server_->endpoint();
    made.progress.cluster_id = 7;
    made.progress.takeover_grace = std::chrono::seconds(1);
    return made;
  }

  // The connection that the sink under test uses now, by its lock.
  void kill_sink_connection() {
    auto other = MysqlConnection::connect(server_->endpoint());
    ASSERT_TRUE(other.ok()) << other.status();
    const auto id = (*other)->query("SELECT IS_USED_LOCK('sluice.7.0')");
    ASSERT_TRUE(id.ok() && id->at(0).at(0).has_value());
    (void)(*other)->execute("KILL CONNECTION " + *id->at(0).at(0));
  }

  PrivateMariadb* server_ = nullptr;
  std::unique_ptr<MysqlConnection> admin_;
};

}  // namespace sluice::drainer::sinks::mysql
