#include "upstream_502/report/json_incident.h"

#include <string>

#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

TEST(JsonIncident, HasEveryMember) {
  std::string json;
  AppendIncidentJson(SampleIncident(7), &json);
  EXPECT_EQ(
      json,
      "{\"id\":7,\"upstream\":\"php\",\"protocol\":\"fastcgi\","
      "\"state\":\"over\",\"start\":1763671111000,\"end\":1763671411000,"
      "\"duration_ms\":300000,\"attempts\":50,\"failures\":40,\"rescued\":10,"
      "\"responses\":{\"500\":0,\"502\":28,\"504\":2},"
      "\"causes\":{\"connection_refused\":38,\"read_timeout\":2},"
      "\"findings\":[{\"name\":\"port_closed\","
      "\"text\":\"nothing listens on port 9000\",\"count\":30},"
      "{\"name\":\"not_retried\",\"text\":null,\"count\":5}],"
      "\"peers\":[{\"addr\":\"127.0.0.1:9000\",\"failures\":38},"
      "{\"addr\":\"(other)\",\"failures\":2}],"
      "\"first_event\":3,\"last_event\":9,\"generation\":2,"
      "\"since_reload\":true,\"timeline\":["
      "{\"start\":1763671111000,\"width_ms\":60000,\"failures\":30},"
      "{\"start\":1763671171000,\"width_ms\":60000,\"failures\":0},"
      "{\"start\":1763671231000,\"width_ms\":60000,\"failures\":0},"
      "{\"start\":1763671291000,\"width_ms\":60000,\"failures\":0},"
      "{\"start\":1763671351000,\"width_ms\":60000,\"failures\":0},"
      "{\"start\":1763671411000,\"width_ms\":60000,\"failures\":10}]}");
}

TEST(JsonIncident, SaysNullOfWhatIsNotKnown) {
  Incident incident;
  incident.open = true;
  std::string json;
  AppendIncidentJson(incident, &json);
  EXPECT_NE(json.find("\"state\":\"open\""), std::string::npos);
  EXPECT_NE(json.find("\"first_event\":null,\"last_event\":null"),
            std::string::npos);
  EXPECT_NE(json.find("\"timeline\":[]"), std::string::npos);
}

}  // namespace
}  // namespace upstream_502
