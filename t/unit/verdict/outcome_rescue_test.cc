// Whether an attempt failed that the client never saw.

#include "gtest/gtest.h"
#include "upstream_502/verdict/outcome.h"
#include "verdict/requests.h"

namespace upstream_502 {
namespace {

Outcome Decide(const Kept& request) {
  return DecideOutcome(request.Facts(), nullptr);
}

// The body broke off after so much of the header as `header_time` says.
void Cut(Note* note, int32_t header_time) {
  note->failure.cause = Cause::kBodyIncomplete;
  note->failure.phase = Phase::kBody;
  note->failure.header_time = header_time;
}

TEST(Rescue, IsAGoodAnswerInSpiteOfAFailure) {
  for (const int status : {200, 204, 301, 404, 503}) {
    Kept request(status);
    request.Fail(1, 0);
    ++request.attempts;
    const Outcome outcome = Decide(request);
    EXPECT_TRUE(outcome.whole) << status;
    EXPECT_TRUE(outcome.rescued) << status;
  }
}

TEST(Rescue, NeedsAFailure) {
  Kept request(200);
  request.Keep(1, 0);
  EXPECT_FALSE(Decide(request).rescued);
}

TEST(Rescue, IsNoGatewayResponse) {
  Kept request(502);
  request.Finish(1, 0, 502);
  EXPECT_FALSE(Decide(request).rescued);
  Kept own(500);
  own.Finish(1, 0, 500);
  EXPECT_FALSE(Decide(own).rescued);
}

TEST(Rescue, MayBeThePageOrStaleContentThatTheFailureLedTo) {
  Kept request(200);
  request.Finish(1, 0, 502);
  EXPECT_TRUE(Decide(request).rescued);
}

TEST(Rescue, NeedsAClientThatGotSomething) {
  Kept request(0);
  request.Fail(1, 0);
  EXPECT_FALSE(Decide(request).whole);
  EXPECT_FALSE(Decide(request).rescued);
  request.status = 499;
  EXPECT_FALSE(Decide(request).whole);
  EXPECT_FALSE(Decide(request).rescued);
  request.status = 200;
  EXPECT_TRUE(Decide(request).rescued);
  request.aborted = true;
  EXPECT_FALSE(Decide(request).whole);
  EXPECT_FALSE(Decide(request).rescued);
}

TEST(Rescue, IsNoResponseThatBrokeOff) {
  Kept request(200);
  Cut(&request.Finish(1, 0, -1), 5);
  EXPECT_FALSE(Decide(request).whole);
  EXPECT_FALSE(Decide(request).rescued);
  Kept at_once(200);
  Cut(&at_once.Finish(1, 0, -1), 0);
  EXPECT_FALSE(Decide(at_once).whole);
}

// No header was read from the upstream: the client got nothing of its body.
TEST(Rescue, IsOneWhereTheBodyNeverBegan) {
  Kept request(200);
  Cut(&request.Finish(1, 0, 502), -1);
  EXPECT_TRUE(Decide(request).rescued);
}

TEST(Rescue, IsOneWhereAnotherPhaseFailed) {
  Kept request(200);
  Note& note = request.Finish(1, 0, 502);
  note.failure.phase = Phase::kHeader;
  note.failure.header_time = 5;
  EXPECT_TRUE(Decide(request).rescued);
}

// What followed a body that broke off was whole.
TEST(Rescue, IsOneWhereTheBrokenBodyWasNotTheLastWord) {
  Kept retried(200);
  Cut(&retried.Fail(1, 0), 5);
  EXPECT_TRUE(Decide(retried).rescued);
  Kept another_run(200);
  Cut(&another_run.Finish(1, 0, 502), 5);
  another_run.runs = 2;
  EXPECT_TRUE(Decide(another_run).rescued);
}

// A gateway response may be whole, or not.
TEST(Whole, IsToldOfGatewayResponsesToo) {
  Kept request(502);
  Note& note = request.Finish(1, 0, 0);
  note.failure.cause = Cause::kErrorStatus;
  note.failure.received_status = 502;
  note.failure.phase = Phase::kHeader;
  EXPECT_TRUE(Decide(request).whole);
  Cut(&note, 3);
  EXPECT_FALSE(Decide(request).whole);
}

Outcome Rescued() {
  static Note note;
  return {.status = 200, .whole = true, .failure = &note};
}

Outcome Good() { return {.status = 200, .whole = true}; }

TEST(SubrequestRescue, IsOfTwoGoodAnswers) {
  EXPECT_TRUE(IsSubrequestRescued(Rescued(), false, Good()));
}

TEST(SubrequestRescue, NeedsAFailure) {
  Outcome own = Rescued();
  own.failure = nullptr;
  EXPECT_FALSE(IsSubrequestRescued(own, false, Good()));
  EXPECT_FALSE(IsSubrequestRescued(own, true, Good()));
}

TEST(SubrequestRescue, NeedsAMainRequestThatTheClientGotWhole) {
  for (const bool background : {false, true}) {
    Outcome main = Good();
    main.gateway = true;
    EXPECT_FALSE(IsSubrequestRescued(Rescued(), background, main));
    main = Good();
    main.whole = false;
    EXPECT_FALSE(IsSubrequestRescued(Rescued(), background, main));
  }
}

// Its response is a part of what the client got,
TEST(SubrequestRescue, NeedsAGoodAnswerOfItsOwn) {
  Outcome own = Rescued();
  own.gateway = true;
  EXPECT_FALSE(IsSubrequestRescued(own, false, Good()));
  own = Rescued();
  own.whole = false;
  EXPECT_FALSE(IsSubrequestRescued(own, false, Good()));
}

// unless nobody waits for it: a cache that updates, a mirror.
TEST(SubrequestRescue, IsWhateverABackgroundOneEndedWith) {
  Outcome own = Rescued();
  own.gateway = true;
  own.whole = false;
  EXPECT_TRUE(IsSubrequestRescued(own, true, Good()));
}

// HTTP/0.9: the access log says 9 or nothing.
TEST(Outcome, OfNoHttpIsNotRescued) {
  for (const int status : {0, 9}) {
    Kept request(status);
    request.Finish(1, 0, 0).failure.cause = Cause::kHeaderInvalid;
    const Outcome outcome = DecideOutcome(request.Facts(), nullptr);
    EXPECT_FALSE(outcome.whole) << status;
    EXPECT_FALSE(outcome.rescued) << status;
  }
}

// The first slice does not fit: nginx breaks off with nothing sent.
TEST(Outcome, OfARunThatBrokeOffIsNotRescued) {
  Kept request(206);
  request.Finish(1, 0, -1).failure.cause = Cause::kHeaderInvalid;
  EXPECT_FALSE(DecideOutcome(request.Facts(), nullptr).rescued);
}

// The upstream answered 302, and auth_request made a 500 of it: that is no
// response of nginx's upstream code, nor one that saved anything.
TEST(Outcome, OfAuthRequestsOwn500) {
  Kept subrequest(302);
  Note& note = subrequest.Finish(1, 0, 0);
  note.attempt.line = Line{.says = Says::kAuthStatus};
  const RequestFacts facts = subrequest.Facts();
  const Outcome main = DecideOutcome(Kept(500).Facts(), &facts);
  EXPECT_EQ(main.failure, &note);
  EXPECT_FALSE(main.gateway);
  EXPECT_FALSE(main.rescued);
  const Outcome own = DecideOutcome(facts, nullptr);
  EXPECT_FALSE(own.rescued);
  EXPECT_FALSE(IsSubrequestRescued(own, false, main));
}

}  // namespace
}  // namespace upstream_502
