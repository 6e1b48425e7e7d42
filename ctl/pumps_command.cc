#include "ctl/pumps_command.h"

#include <cstdint>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/status.h"
#include "base/tso.h"
#include "net/http/http_client.h"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& node, const char* key) {
  const json::value* value = node.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  const json::string& text = value->get_string();
  return {text.data(), text.size()};
}

uint64_t number_of(const json::object& node, const char* key) {
  const json::value* value = node.if_contains(key);
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code error;
  const uint64_t number = value->to_number<uint64_t>(error);
  return error ? 0 : number;
}

std::string line_of(const json::object& node) {
  const auto updated = static_cast<std::time_t>(Tso(number_of(node, "updateTS")).physical_ms() / 1000);
  return fmt::format(
      "{{NodeID: {}, Addr: {}, State: {}, MaxCommitTS: {}, UpdateTime: {:%Y-%m-%d %H:%M:%S} +0000 UTC}}\n",
      text_of(node, "nodeId"), text_of(node, "host"), text_of(node, "state"), number_of(node, "maxCommitTS"),
      fmt::gmtime(updated));
}

absl::Status not_a_status_page() {
  return absl::InvalidArgumentError("this isn't a pump's status page: is --addr the address of a pump?");
}

}  // namespace

absl::StatusOr<std::string> pumps_text(std::string_view status_body) {
  boost::system::error_code error;
  const json::value page = json::parse({status_body.data(), status_body.size()}, error);
  if (error || !page.is_object()) return not_a_status_page();
  const json::value* status = page.get_object().if_contains("status");
  if (status == nullptr || !status->is_object()) return not_a_status_page();
  std::string text;
  for (const auto& [id, node] : status->get_object())
    if (node.is_object()) text += line_of(node.get_object());
  return text;
}

absl::StatusOr<std::string> run_pumps(const CtlOptions& options) {
  if (options.addr.empty())
    return absl::InvalidArgumentError("-cmd pumps needs --addr HOST:PORT, a pump's address (the registry comes later)");
  SLUICE_ASSIGN_OR_RETURN(const net::HostPort node, net::parse_host_port(options.addr));
  SLUICE_ASSIGN_OR_RETURN(const net::HttpAnswer answer, net::ask_http(node, {.target = "/status"}));
  if (answer.status != 200) return not_a_status_page();
  SLUICE_ASSIGN_OR_RETURN(std::string text, pumps_text(answer.body));
  return options.json ? answer.body : text;
}

}  // namespace sluice::ctl
