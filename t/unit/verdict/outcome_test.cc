// Of one request: whose its response is, and which failure decided. What a
// failed attempt that nobody saw is worth is in outcome_rescue_test.cc.

#include "upstream_502/verdict/outcome.h"

#include "gtest/gtest.h"
#include "verdict/requests.h"

namespace upstream_502 {
namespace {

Outcome Decide(const Kept& request) {
  return DecideOutcome(request.Facts(), nullptr);
}

TEST(IsGatewayStatus, IsOfTwo) {
  EXPECT_TRUE(IsGatewayStatus(502));
  EXPECT_TRUE(IsGatewayStatus(504));
  for (const int status : {0, 200, 499, 500, 501, 503, 505}) {
    EXPECT_FALSE(IsGatewayStatus(status)) << status;
  }
}

TEST(LastFailure, IsTheLastThatFailed) {
  Kept request(502);
  EXPECT_EQ(LastFailure(request.Facts().notes), nullptr);
  request.Keep(1, 0).failed = false;  // a line that was no failure
  EXPECT_EQ(LastFailure(request.Facts().notes), nullptr);
  request.Fail(1, 0);
  Note& last = request.Fail(1, 1);
  request.Keep(1, 2).failed = false;
  EXPECT_EQ(LastFailure(request.Facts().notes), &last);
}

TEST(Outcome, OfARequestThatWentWell) {
  Kept request(200);
  request.runs = request.attempts = 1;
  const Outcome outcome = Decide(request);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_FALSE(outcome.gateway);
  EXPECT_TRUE(outcome.whole);
  EXPECT_FALSE(outcome.rescued);
  EXPECT_EQ(outcome.failure, nullptr);
  EXPECT_EQ(outcome.attempts, 1U);
  EXPECT_EQ(outcome.failures, 0U);
}

TEST(Outcome, CountsAttemptsAndFailures) {
  Kept request(502);
  request.Fail(1, 0);
  request.Keep(1, 1).failed = false;
  Note& last = request.Finish(1, 2, 502);
  const Outcome outcome = Decide(request);
  EXPECT_EQ(outcome.status, 502);
  EXPECT_EQ(outcome.attempts, 3U);
  EXPECT_EQ(outcome.failures, 2U);
  EXPECT_EQ(outcome.failure, &last);
}

TEST(Outcome, OfAResponseThatNginxMade) {
  for (const int status : {500, 502, 504}) {
    Kept request(status);
    request.Finish(1, 0, status);
    const Outcome outcome = Decide(request);
    EXPECT_TRUE(outcome.gateway) << status;
    EXPECT_EQ(outcome.origin, Origin::kNginx) << status;
    EXPECT_TRUE(outcome.whole) << status;
    EXPECT_FALSE(outcome.rescued) << status;
  }
}

// nginx passes on what the upstream itself said.
TEST(Outcome, OfAResponseThatTheUpstreamMade) {
  for (const int status : {502, 504}) {
    Kept request(status);
    Note& note = request.Finish(1, 0, 0);
    note.failure.cause = Cause::kErrorStatus;
    note.failure.received_status = static_cast<uint16_t>(status);
    const Outcome outcome = Decide(request);
    EXPECT_TRUE(outcome.gateway) << status;
    EXPECT_EQ(outcome.origin, Origin::kUpstream) << status;
    EXPECT_EQ(outcome.failure, &note) << status;
  }
}

// It said 503, and nginx made a 502 of that.
TEST(Outcome, IsNginxsWhereTheUpstreamSaidAnotherStatus) {
  Kept request(502);
  Note& note = request.Finish(1, 0, 502);
  note.failure.cause = Cause::kErrorStatus;
  note.failure.received_status = 503;
  EXPECT_EQ(Decide(request).origin, Origin::kNginx);
}

// A 502 was on its way when the connection broke: that is nginx's word.
TEST(Outcome, IsNginxsWhereTheUpstreamsStatusDidNotDecide) {
  Kept request(502);
  Note& note = request.Finish(1, 0, 502);
  note.failure.cause = Cause::kHeaderInvalid;
  note.failure.received_status = 502;
  EXPECT_EQ(Decide(request).origin, Origin::kNginx);
}

TEST(Outcome, OfAResponseOutOfTheCache) {
  Kept request(502);
  request.from_cache = true;
  const Outcome outcome = Decide(request);
  EXPECT_TRUE(outcome.gateway);
  EXPECT_EQ(outcome.origin, Origin::kCache);
}

TEST(Outcome, OfAResponseThatTheConfigurationMade) {
  const Outcome outcome = Decide(Kept(502));
  EXPECT_TRUE(outcome.gateway);
  EXPECT_EQ(outcome.origin, Origin::kConfig);
  EXPECT_EQ(outcome.failure, nullptr);
}

// The upstream did answer, and then `return 502` was what the client got.
TEST(Outcome, IsTheConfigurationsWhereAnAttemptWentWell) {
  Kept request(502);
  request.runs = request.attempts = 1;
  EXPECT_EQ(Decide(request).origin, Origin::kConfig);
}

TEST(Outcome, OfA500OfTheApplicationIsNoGatewayResponse) {
  Kept request(500);
  request.runs = request.attempts = 1;
  EXPECT_FALSE(Decide(request).gateway);
  // Nor where an attempt failed before.
  request.Fail(1, 0);
  EXPECT_FALSE(Decide(request).gateway);
  // Nor where its body broke off.
  Kept cut(500);
  Note& note = cut.Finish(1, 0, -1);
  note.failure.received_status = 500;
  note.failure.phase = Phase::kBody;
  note.failure.header_time = 5;
  EXPECT_FALSE(Decide(cut).gateway);
}

TEST(Outcome, OfA500OfReturnIsNoGatewayResponse) {
  EXPECT_FALSE(Decide(Kept(500)).gateway);
  // error_page 502 = @x; location @x { return 500; }
  Kept request(500);
  request.Finish(1, 0, 502);
  EXPECT_FALSE(Decide(request).gateway);
}

TEST(Outcome, OfOtherStatusesIsNoGatewayResponse) {
  for (const int status : {0, 200, 404, 499, 501, 503, 505}) {
    Kept request(status);
    request.Finish(1, 0, status);
    EXPECT_FALSE(Decide(request).gateway) << status;
  }
}

// nginx's own 500 that error_page turned into something else.
TEST(Outcome, OfAnotherStatusIsNoGatewayResponseWhateverTheRunEndedWith) {
  Kept request(200);
  Note& note = request.Finish(1, 0, 500);
  note.failure.cause = Cause::kInternalError;
  EXPECT_FALSE(Decide(request).gateway);
  EXPECT_TRUE(Decide(request).rescued);
}

// error_page 502 /other; where the other upstream answers 200 and the client
// still gets the 502: the status is that of the first run.
TEST(Outcome, IsThatOfTheFailureWhoseStatusErrorPageKept) {
  Kept request(502);
  Note& note = request.Finish(1, 0, 502);
  request.runs = 2;
  request.attempts = 2;
  const Outcome outcome = Decide(request);
  EXPECT_TRUE(outcome.gateway);
  EXPECT_EQ(outcome.origin, Origin::kNginx);
  EXPECT_EQ(outcome.failure, &note);
}

TEST(Outcome, IsTheUpstreamsWhereErrorPageKeptItsStatus) {
  Kept request(504);
  Note& note = request.Finish(1, 0, 504);
  note.failure.cause = Cause::kErrorStatus;
  note.failure.received_status = 504;
  request.runs = 2;
  EXPECT_EQ(Decide(request).origin, Origin::kUpstream);
}

// A status that was passed on is no status that nginx ended the run with.
TEST(Outcome, IsTheUpstreamsWhereARunFollowedWhatItSaid) {
  for (const int run_status : {0, -1}) {
    Kept request(502);
    Note& note = request.Finish(1, 0, run_status);
    note.failure.cause = Cause::kErrorStatus;
    note.failure.received_status = 502;
    request.runs = 2;
    EXPECT_EQ(Decide(request).origin, Origin::kUpstream) << run_status;
  }
}

// Another run went well, and what followed is no word of the first failure.
TEST(Outcome, IsTheConfigurationsWhereNoFailureHasItsStatus) {
  Kept request(502);
  request.Finish(1, 0, 504);
  request.runs = 2;
  EXPECT_EQ(Decide(request).origin, Origin::kConfig);
  request.from_cache = true;
  EXPECT_EQ(Decide(request).origin, Origin::kCache);
}

// An attempt that was followed by one that went well ended nothing.
TEST(Outcome, IsNotThatOfAnAttemptThatWasRetried) {
  Kept request(502);
  request.Fail(1, 0).run_status = 502;
  EXPECT_EQ(Decide(request).origin, Origin::kConfig);
}

// Nor that of one that did not fail, whatever its run ended with.
TEST(Outcome, IsNotThatOfAnAttemptThatWentWell) {
  Kept request(502);
  request.Finish(1, 0, 502).failed = false;
  EXPECT_EQ(Decide(request).origin, Origin::kConfig);
}

// `return 502` of the page that the failure led to is still of the failure.
TEST(Outcome, IsOfTheFailureThatEndedTheLastRun) {
  Kept request(502);
  request.Finish(1, 0, 504);
  EXPECT_EQ(Decide(request).origin, Origin::kNginx);
}

TEST(Outcome, OfSeveralRunsIsThatOfTheLast) {
  Kept request(504);
  request.Finish(1, 0, 502);
  Note& last = request.Finish(2, 1, 504);
  const Outcome outcome = Decide(request);
  EXPECT_EQ(outcome.origin, Origin::kNginx);
  EXPECT_EQ(outcome.failure, &last);
  EXPECT_EQ(outcome.failures, 2U);
}

// Two failures have the client's status: the later one gave it.
TEST(Outcome, IsThatOfTheLaterFailureWithItsStatus) {
  Kept request(502);
  Note& first = request.Finish(1, 0, 502);
  first.failure.cause = Cause::kErrorStatus;
  first.failure.received_status = 502;
  request.Finish(2, 1, 502);
  request.runs = 3;
  EXPECT_EQ(Decide(request).origin, Origin::kNginx);
}

// post_action makes a run of its own after the response went out.
TEST(Outcome, OfAResponseIsNotThatOfItsPostAction) {
  Kept request(500);
  request.Finish(1, 0, 500);
  request.Finish(2, 1, 502);
  const Outcome outcome = Decide(request);
  EXPECT_TRUE(outcome.gateway);
  EXPECT_EQ(outcome.origin, Origin::kNginx);
  // A 500 of the application stays its own, whatever its post_action does.
  Kept other(500);
  other.runs = other.attempts = 1;
  other.Finish(2, 1, 502);
  EXPECT_FALSE(Decide(other).gateway);
}

TEST(EndedForSubrequest, NeedsNoAttemptOfItsOwnAndAnError) {
  Kept request(500);
  EXPECT_TRUE(EndedForSubrequest(request.Facts()));
  request.status = 503;
  EXPECT_TRUE(EndedForSubrequest(request.Facts()));
  request.status = 499;
  EXPECT_FALSE(EndedForSubrequest(request.Facts()));
  request.status = 200;
  EXPECT_FALSE(EndedForSubrequest(request.Facts()));
  request.status = 500;
  request.attempts = 1;
  EXPECT_FALSE(EndedForSubrequest(request.Facts()));
  // An error that nginx's cache replays.
  Kept cached(502);
  EXPECT_TRUE(EndedForSubrequest(cached.Facts()));
  RequestFacts facts = cached.Facts();
  facts.from_cache = true;
  EXPECT_FALSE(EndedForSubrequest(facts));
  // nginx gave up before an attempt: the failure is its own.
  Kept own(502);
  own.Finish(1, kNoElement, 502);
  EXPECT_FALSE(EndedForSubrequest(own.Facts()));
}

// auth_request: nginx answers 500 where its subrequest failed.
TEST(Outcome, IsThatOfTheSubrequestThatEndedIt) {
  Kept subrequest(502);
  subrequest.Fail(1, 0);
  Note& note = subrequest.Finish(1, 1, 502);
  const RequestFacts facts = subrequest.Facts();
  const Outcome outcome = DecideOutcome(Kept(500).Facts(), &facts);
  EXPECT_EQ(outcome.status, 500);
  EXPECT_TRUE(outcome.gateway);
  EXPECT_EQ(outcome.origin, Origin::kNginx);
  EXPECT_EQ(outcome.failure, &note);
  EXPECT_EQ(outcome.attempts, 2U);
  EXPECT_EQ(outcome.failures, 2U);
  EXPECT_FALSE(outcome.rescued);
}

// Even where the subrequest's upstream said 502 itself: nginx made a 500 of it.
TEST(Outcome, IsNginxsWhereASubrequestEndedIt) {
  Kept subrequest(502);
  Note& note = subrequest.Finish(1, 0, 0);
  note.failure.cause = Cause::kErrorStatus;
  note.failure.received_status = 502;
  const RequestFacts facts = subrequest.Facts();
  EXPECT_EQ(DecideOutcome(Kept(502).Facts(), &facts).origin, Origin::kNginx);
}

TEST(Outcome, IsThatOfItsOwnFailureWhateverASubrequestDid) {
  Kept subrequest(502);
  subrequest.Finish(1, 0, 502);
  const RequestFacts facts = subrequest.Facts();
  Kept request(504);
  Note& own = request.Finish(1, 0, 504);
  const Outcome outcome = DecideOutcome(request.Facts(), &facts);
  EXPECT_EQ(outcome.failure, &own);
  EXPECT_EQ(outcome.failures, 1U);
}

// The status and the client are the request's own, whatever the subrequest's.
TEST(Outcome, AsksTheRequestWhatItsClientGot) {
  Kept subrequest(502);
  subrequest.Finish(1, 0, 502);
  subrequest.aborted = true;
  const RequestFacts facts = subrequest.Facts();
  const Kept request(503);
  const Outcome outcome = DecideOutcome(request.Facts(), &facts);
  EXPECT_EQ(outcome.status, 503);
  EXPECT_FALSE(outcome.gateway);
  EXPECT_TRUE(outcome.whole);
}

TEST(Outcome, IsItsOwnWhereNoSubrequestFailed) {
  Kept subrequest(200);
  subrequest.from_cache = true;
  const RequestFacts facts = subrequest.Facts();
  const Kept request(500);
  const Outcome outcome = DecideOutcome(request.Facts(), &facts);
  EXPECT_FALSE(outcome.gateway);
  EXPECT_EQ(outcome.failure, nullptr);
  EXPECT_EQ(DecideOutcome(Kept(502).Facts(), &facts).origin, Origin::kConfig);
}

}  // namespace
}  // namespace upstream_502
