// `--name value` pairs, as the bare programs take them; anything else ends the program with what it would take.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

namespace sluice::ceilings {

// The values by name, those not given at their defaults. An unknown name, or one without a value, exits with 2.
inline std::map<std::string, std::string> parse_flags(int argc, char** argv,
                                                      std::map<std::string, std::string> values) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    const auto found = flag.starts_with("--") ? values.find(std::string(flag.substr(2))) : values.end();
    if (found == values.end() || i + 1 == argc) {
      std::fprintf(stderr, "%s: %s isn't understood; flags and their defaults:", argv[0], argv[i]);
      for (const auto& [name, value] : values) std::fprintf(stderr, " --%s %s", name.c_str(), value.c_str());
      std::fprintf(stderr, "\n");
      std::exit(2);
    }
    found->second = argv[i + 1];
  }
  return values;
}

[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace sluice::ceilings
