#include "upstream_502/report/json_evidence.h"

#include <string>

#include "gtest/gtest.h"
#include "report/json.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

std::string Text(const Event& event) {
  std::string out;
  AppendEvidenceJson(event, &out);
  return out;
}

std::string Text(const Evidence& evidence) {
  Event event;
  event.peer = "unix:/run/app/web.sock";
  event.evidence = evidence;
  return Text(event);
}

TEST(EvidenceJson, IsNullWhereNothingWasAsked) {
  EXPECT_EQ(Text(Event{}), "null");
}

TEST(EvidenceJson, LeavesOutWhatWasNotLookedAt) {
  EXPECT_EQ(Text(Evidence{}), "{}");
}

TEST(EvidenceJson, TellsTheConnection) {
  Evidence evidence;
  evidence.where = Where::kElsewhere;
  evidence.tcp_state = 1;
  evidence.peer_state = 8;
  evidence.idle_ms = 1500;
  evidence.accepted = Seen::kYes;
  evidence.unread_bytes = 0;
  evidence.unacknowledged_bytes = 77;
  evidence.retransmits = 0;
  evidence.backoff = 3;
  evidence.probes = 254;
  evidence.retransmissions = 4;
  evidence.requests_to_connect = 2;
  evidence.last_ack_ms = 9;
  evidence.rtt_us = 250;
  evidence.waiting_bytes = 10;
  evidence.header_bytes = 20052;
  evidence.early_status = 413;
  evidence.speaks = Speaks::kHttp1;
  EXPECT_EQ(Text(evidence),
            "{\"where\":\"elsewhere\",\"tcp_state\":\"established\","
            "\"peer_state\":\"close_wait\",\"idle_ms\":1500,"
            "\"accepted\":true,\"unread_bytes\":0,"
            "\"unacknowledged_bytes\":77,\"retransmits\":0,\"backoff\":3,"
            "\"probes\":254,\"retransmissions\":4,"
            "\"requests_to_connect\":2,\"last_ack_ms\":9,\"rtt_us\":250,"
            "\"waiting_bytes\":10,\"header_bytes\":20052,"
            "\"early_status\":413,\"speaks\":\"HTTP/1\"}");
}

TEST(EvidenceJson, TellsTheService) {
  Evidence evidence = SampleEvidence();
  evidence.listening_hidden = Seen::kYes;
  evidence.listener_uid = 0;
  evidence.queue = 3;
  evidence.queue_max = 128;
  evidence.in_hosts = Seen::kNo;
  EXPECT_EQ(Text(evidence),
            "{\"where\":\"this_machine\",\"listening\":false,"
            "\"listening_hidden\":true,\"listener_uid\":0,\"queue\":3,"
            "\"queue_max\":128,\"in_hosts\":false,\"named\":\"ports\","
            "\"names\":\"9001\",\"names_count\":1}");
}

TEST(EvidenceJson, TellsThePath) {
  Evidence evidence;
  evidence.path_fault = PathFault::kNoPermission;
  evidence.path_end = 8;
  evidence.path_kind = FileKind::kDirectory;
  evidence.path_mode = 0750;
  evidence.path_uid = 0;
  evidence.path_gid = 33;
  evidence.uid = 65534;
  evidence.gid = 65534;
  evidence.confinement = Confinement::kNone;
  EXPECT_EQ(Text(evidence),
            "{\"path_fault\":\"no_permission\",\"path\":\"/run/app\","
            "\"path_kind\":\"directory\",\"path_mode\":\"0750\","
            "\"path_uid\":0,\"path_gid\":33,\"uid\":65534,"
            "\"gid\":65534,\"confinement\":\"none\"}");
}

TEST(EvidenceJson, TellsTheCertificate) {
  Evidence evidence;
  evidence.not_before_s = -1;  // before 1970
  evidence.not_after_s = 1700000000;
  evidence.verify_error = 0;
  evidence.chain_length = 2;
  evidence.verify_depth = 1;
  evidence.sni = Seen::kNo;
  EXPECT_EQ(Text(evidence),
            "{\"not_before_s\":-1,\"not_after_s\":1700000000,"
            "\"verify_error\":0,\"chain_length\":2,\"verify_depth\":1,"
            "\"sni\":false}");
}

TEST(EvidenceJson, TellsWhereANameHasMoved) {
  Evidence evidence;
  SetMoved("app", "192.0.2.1", "192.0.2.2", &evidence);
  evidence.moved_seconds = 0;
  evidence.follows = Seen::kYes;
  EXPECT_EQ(
      Text(evidence),
      "{\"named\":\"moved\",\"names\":\"app 192.0.2.1 -\\u003e 192.0.2.2\","
      "\"names_count\":1,\"moved_seconds\":0,\"follows\":true}");
}

TEST(EvidenceJson, TellsTheMachine) {
  Evidence evidence;
  evidence.oom_kills = 1;
  evidence.oom_seconds = 9;
  evidence.files_of = FilesOf::kProcess;
  evidence.files_used = 1024;
  evidence.files_max = 1024;
  evidence.ports_of = PortsOf::kPeerAtLeast;
  evidence.ports_used = 28000;
  evidence.ports_max = 28232;
  evidence.connections_used = 512;
  evidence.connections_max = 512;
  EXPECT_EQ(Text(evidence),
            "{\"oom_kills\":1,\"oom_seconds\":9,\"files_of\":\"process\","
            "\"files_used\":1024,\"files_max\":1024,"
            "\"ports_of\":\"peer_at_least\",\"ports_used\":28000,"
            "\"ports_max\":28232,\"connections_used\":512,"
            "\"connections_max\":512}");
}

TEST(EvidenceJson, IsJsonWhateverAnotherProcessLeft) {
  Evidence evidence;
  evidence.tcp_state = 255;
  evidence.path_fault = PathFault::kAbsent;
  evidence.path_end = 255;  // more than the peer has
  evidence.named = Named::kSockets;
  evidence.text_size = Evidence::kTextRoom;
  std::string nasty = kNasty;
  nasty.resize(Evidence::kTextRoom, '\xff');
  nasty.copy(evidence.text.data(), nasty.size());
  Event event;
  event.peer = kNasty;
  event.evidence = evidence;
  const std::string text = Text(event);
  EXPECT_TRUE(JsonReader::Read(text).has_value()) << text;
  event.peer = "";
  EXPECT_TRUE(JsonReader::Read(Text(event)).has_value());
}

}  // namespace
}  // namespace upstream_502
