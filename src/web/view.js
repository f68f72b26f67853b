// What the page shows of the data, top to bottom: verdict, cards, upstreams,
// events, footer. `now` is the server's clock.

const kPeersAtOnce = 50;
const kUpstreamsAtOnce = 100;
const kCardsAtOnce = 6;
const kStates = {
  outage: {rank: 0, label: 'Outage', sign: '✕'},
  degraded: {rank: 1, label: 'Degraded', sign: '!'},
  info: {rank: 2, label: 'Info', sign: 'i'},
  ok: {rank: 3, label: 'OK', sign: '✓'},
};
function causeTag(cause) {
  return el('span', {class: 'cause'}, el('i', {class: colour(cause)}),
            words(cause));
}

// A page that was opened for a longer window begins with that one's history:
// what the last minutes were like is not known then.
const hasHour = ({totals: {history}}) => windowOf(history) === '1h';

// What was seen, the most telling first; a diagnosis counts it.
function fillFindings(list, findings) {
  list.hidden = findings.length === 0;
  keyed(list, findings, ({name, text}) => `${name} ${text}`,
        ({name}) => el('li', {'data-finding': name},
                       el('span', {class: 'text'}),
                       el('span', {class: 'times'})),
        (node, found) => {
          setText(node.children[0], sentence(found.text));
          setText(node.children[1],
                  found.count > 1 ? `${count(found.count)} times` : '');
        });
}

function badge(state) {
  return el('span', {class: `badge ${state}`}, kStates[state].label);
}

function since(ms, now) {
  return `since ${moment(ms, now)} (${duration(now - ms)})`;
}

// ---- verdict

function troubles(data) {
  const by = {outage: [], degraded: [], info: []};
  for (const diagnosis of data.diagnoses) {
    (by[diagnosis.severity] || by.info).push(diagnosis);
  }
  return by;
}

// "a is down", "a and b are down", "5 upstreams are down".
function say(diagnoses, one, many) {
  const names = diagnoses.map((d) => short(d.upstream));
  return names.length === 1 ? `${names[0]} ${one}` :
      `${names.length === 2 ? names.join(' and ') :
          `${names.length} upstreams`} ${many}`;
}

function verdict(data) {
  const {outage, degraded, info} = troubles(data);
  if (outage.length) {
    return ['outage', say(outage, 'is down', 'are down') +
        (degraded.length ? `, ${degraded.length} more degraded` : '')];
  }
  if (degraded.length) {
    return ['degraded', say(degraded, 'fails in part', 'fail in part')];
  }
  if (info.length && info.every((d) => d.pattern === 'recovered')) {
    return ['ok', say(info, 'has recovered', 'have recovered')];
  }
  if (info.length) {
    return ['ok', 'No upstream is failing steadily now'];
  }
  if (data.totals.requests === 0) {
    return ['ok', 'No requests yet'];
  }
  return ['ok', sum(Object.values(data.totals.history.causes).flat()) === 0 ?
      'No failures in the last hour' : 'All upstreams answer'];
}

function lede(data, now) {
  const worst = data.diagnoses[0];
  if (worst) {
    const [peer, ...others] = worst.peers;
    return [
      data.diagnoses.length > 1 ? short(worst.upstream) : null,
      words(worst.cause),
      peer && peer !== worst.upstream ? peer : null,
      others.length ? `${plural(others.length, 'more peer')}` : null,
      worst.since ? since(worst.since, now) : null,
    ].filter(Boolean).join(', ');
  }
  const event = data.events[0];
  if (event) {
    return `The last failure was ${duration(now - event.time)} ago: ` +
        `${event.upstream}, ${words(event.cause)}.`;
  }
  return `Counting ${since(data.server.start_time, now)}.`;
}

function renderVerdict(data, now) {
  const [state, headline] = verdict(data);
  setAttribute($('verdict'), 'data-state', state);
  setText($('state'), kStates[state].sign);
  setText($('headline'), headline);
  setText($('lede'), lede(data, now));
  const {history} = data.totals;
  const requests = sum(history.requests);
  const failed = sum(Object.values(history.causes).flat());
  const seen = sum(data.upstreams.map((u) => sum(u.history.responses_502)));
  const ofHour = (n) => hasHour(data) ? count(n) : undefined;
  definitions($('numbers'), [
    ['Requests, 1 h', ofHour(requests)],
    ['Failed attempts, 1 h', ofHour(failed)],
    ['502s to clients, 1 h', ofHour(seen)],
    ['Rescued, all time', count(data.totals.rescued)],
  ]);
  renderTab(state, headline, data.server.hostname);
}

function renderTab(state, headline, host) {
  document.title = clean(`${headline} – ${host}`);
  const fillColour = {outage: '%23d92d20', degraded: '%23e08b00',
                      ok: '%2317915b'}[state];
  setAttribute(document.querySelector('link[rel=icon]'), 'href',
               'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" ' +
               `viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${
                   fillColour}"/></svg>`);
}

// ---- cards

async function copy(text, node) {
  try {
    await navigator.clipboard.writeText(text);
    node.textContent = 'Copied';
  } catch {  // not a secure context: leave it to the keyboard
    const range = document.createRange();
    range.selectNodeContents(node.previousElementSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    node.textContent = document.execCommand('copy') ? 'Copied' : 'Selected';
  }
  setTimeout(() => {
    node.textContent = 'Copy';
  }, 1500);
}

function makeCheck(check) {
  // What follows a command as a comment explains it.
  const [command, ...why] = check.split(/(?=  # )/);
  // Lines break between words, not behind an option's dash.
  const words = command.split(/( +)/).map((word) => word.trim() === '' ? word :
      el('span', {class: 'word'}, word));
  const code = el('code', null, ...words, why.length === 0 ? null :
      el('span', {class: 'why'}, why.join('')));
  const node = button('Copy', () => copy(check, node),
                      {'aria-label': clean(`Copy: ${check}`)});
  return el('li', null, code, node);
}

function makeCard() {
  return el('article', {class: 'card'},
            el('header', null, el('span'), el('h2'),
               el('span', {class: 'tags'})),
            el('p', {class: 'summary'}),
            el('ul', {class: 'findings', 'aria-label': 'Why'}),
            el('p', {class: 'hint'}),
            el('ul', {class: 'peers', 'aria-label': 'Failing peers'}),
            el('ul', {class: 'checks', 'aria-label': 'What to check'}));
}

function updateCard(node, d, now, reveal) {
  const [head, summary, findings, hint, peers, checks] = node.children;
  setAttribute(node, 'data-state', d.severity);
  if (head.dataset.state !== d.severity) {
    head.dataset.state = d.severity;
    head.children[0].replaceWith(badge(d.severity));
  }
  if (!head.children[1].firstElementChild) {
    head.children[1].append(
        button(d.upstream, () => reveal(d.upstream), {class: 'link'}));
  }
  const tags = [words(d.cause) +
      (d.share < 0.995 ? ` (${percent(d.share)} of failures)` : '')];
  // Too few failures make no pattern.
  if (d.severity === 'info' ? d.pattern === 'recovered' :
      d.pattern !== d.severity) {
    tags.unshift(words(d.pattern));
  }
  if (d.since) {
    tags.push(since(d.since, now));
  }
  setText(head.children[2], tags.join(' · '));
  setText(summary, sentence(d.summary));
  // What the summary says is not said twice.
  fillFindings(
      findings, d.findings.filter(({text}) => !d.summary.includes(text)));
  setText(hint, sentence(d.hint));
  keyed(peers, d.peers, (peer) => peer, (peer) => el('li', null, peer));
  keyed(checks, d.checks, (check) => check, makeCheck);
}

function renderCards(data, now, view) {
  const {diagnoses} = data;
  keyed($('cards'), diagnoses.slice(0, view.cardsShown), (d) => d.upstream,
        makeCard, (node, d) => updateCard(node, d, now, view.reveal));
  const more = $('more-cards');
  more.hidden = diagnoses.length <= view.cardsShown;
  setText(more, `Show all ${diagnoses.length} diagnoses`);
}

// ---- upstreams

const minutes5 = (list) => last(list, 5);
const kUnknown = {requests: null, failures: null, now: null, hour: null,
                  trend: []};

function numbersOf({requests, failures, responses_502}) {
  return {
    requests: sum(requests),
    failures: sum(failures),
    now: shareOf(minutes5(responses_502), minutes5(requests)),
    hour: shareOf(sum(responses_502), sum(requests)),
    trend: failures,
  };
}

function upstreamRows(data) {
  const state = new Map(data.diagnoses.map((d) => [d.upstream, d.severity]));
  return data.upstreams.map((u) => ({
    u,
    name: u.name,
    state: state.get(u.name) || 'ok',
    cause: (byCount(u.causes)[0] || [])[0],
    ...(hasHour(data) ? numbersOf(u.history) : kUnknown),
  }));
}

// Worst first, unless another order was asked for.
function sortRows(rows, sort) {
  const byName = (a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  const orders = {
    '': (a, b) => kStates[a.state].rank - kStates[b.state].rank ||
        Math.sign(b.failures) - Math.sign(a.failures) || byName(a, b),
    name: byName,
  };
  return rows.sort(orders[sort] ||
                   ((a, b) => b[sort] - a[sort] || byName(a, b)));
}

function makeUpstream(row, toggle) {
  const opener = button('', () => toggle(row.name),
                        {class: 'opener', 'aria-expanded': 'false'});
  opener.append(el('span', {class: 'name'}));
  return el('tr', {class: 'upstream'},
            el('th', {scope: 'row'}, opener, el('span', {class: 'about'})),
            ...Array.from({length: 4}, () => el('td', {class: 'number'})),
            el('td', {class: 'wide'}), el('td', {class: 'trend'},
                                          makeSparkline()));
}

function updateUpstream(node, row, open) {
  const {u} = row;
  const [name, requests, failures, now, hour, cause, trend] = node.children;
  const [opener, about] = name.children;
  setAttribute(node, 'data-state', row.state);
  setAttribute(opener, 'aria-expanded', String(open));
  setText(opener.firstElementChild, row.name);
  setText(about, (row.state === 'ok' ? '' : `${kStates[row.state].label} · `) +
      `${u.protocol} · ${plural(u.peers.length, 'peer')}`);
  setText(requests, row.requests === null ? '–' : count(row.requests));
  setText(failures, row.failures === null ? '–' : count(row.failures));
  setText(now, percent(row.now));
  setText(hour, percent(row.hour));
  setAttribute(failures, 'data-hot', row.state === 'outage' || null);
  setAttribute(now, 'data-hot', row.now > 0 || null);
  if (cause.dataset.cause !== (row.cause || '')) {
    cause.dataset.cause = row.cause || '';
    cause.replaceChildren(row.cause ? causeTag(row.cause) : '–');
  }
  sparkline(trend.firstElementChild, row.trend,
            (top) => `at most ${top} a minute`);
}

// The bounds of the bucket that holds the given part of all failures.
function quantile(histogram, part) {
  let left = histogram.count * part;
  for (let i = 0; i < histogram.counts.length; ++i) {
    left -= histogram.counts[i];
    if (left <= 0) {
      return i < histogram.le.length ? `≤ ${histogram.le[i]} ms` :
          `> ${histogram.le[i - 1]} ms`;
    }
  }
  return '–';
}

const GRPC = ['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT',
              'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS',
              'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION',
              'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL',
              'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'];
const listGrpc = (counts) =>
    byCount(counts).map(([status, n]) =>
        `${GRPC[status]} (${status}): ${count(n)}`).join(', ');

const listCounts = (counts) =>
    byCount(counts).map(([name, n]) => `${words(name)} ${count(n)}`)
        .join(', ') || 'none';

function renderDetail(row, {u}, now, more) {
  const cell = row.firstElementChild;
  if (!cell.firstElementChild) {
    cell.append(
        el('dl', {class: 'facts'}),
        el('div', {class: 'scroll', tabindex: 0, role: 'group',
                   'aria-label': clean(`Peers of ${u.name}`)},
           el('table', {class: 'peers'},
           el('thead', null, el('tr', null,
              ...['Peer', 'Attempts', 'Failed', 'Share', 'Causes',
                  'Last failure', 'Last success']
                  .map((name, i) => el('th', {scope: 'col',
                       class: i > 0 && i < 4 ? 'number' : null}, name)))),
           el('tbody'))),
        button('', () => more(u.name), {class: 'more'}));
  }
  const [facts, scroll, button1] = cell.children;
  definitions(facts, [
    ['Requests', count(u.requests)], ['Attempts', count(u.attempts)],
    ['Failed attempts', count(u.failures)], ['Rescued', count(u.rescued)],
    ['Responses', Object.entries(u.responses).filter(([, n]) => n > 0)
        .map(([code, n]) => `${code}: ${count(n)}`).join(', ') || 'none'],
    ['Causes', listCounts(u.causes)],
    ['errno', listCounts(u.errno_classes)],
    ['Findings', Object.keys(u.findings).length === 0 ? undefined :
        listCounts(u.findings)],
    ['gRPC answers', listGrpc(u.grpc_responses) || undefined],
    ['Time to failure', u.time_to_failure.count === 0 ? undefined :
        `half ${quantile(u.time_to_failure, 0.5)}, 95% ${
            quantile(u.time_to_failure, 0.95)}`],
  ]);
  const shown = more.shown(u.name);
  const peers = [...u.peers].sort(
      (a, b) => b.failures - a.failures || (a.addr < b.addr ? -1 : 1));
  keyed(scroll.querySelector('tbody'), peers.slice(0, shown),
        (peer) => peer.addr, makePeer,
        (node, peer) => updatePeer(node, peer, now));
  button1.hidden = peers.length <= shown;
  setText(button1, `Show ${Math.min(peers.length - shown, 200)} more of ${
      plural(peers.length, 'peer')}`);
}

function makePeer(peer) {
  return el('tr', null, el('th', {scope: 'row'}, peer.addr),
            ...Array.from({length: 3}, () => el('td', {class: 'number'})),
            el('td'), el('td'), el('td'));
}

const ago = (ms, now) =>
    ms === null ? 'never' : `${duration(now - ms)} ago`;

function updatePeer(node, peer, now) {
  const cells = node.children;
  const failing = peer.failures > 0 &&
      (peer.last_success === null || peer.last_success < peer.last_failure);
  setAttribute(node, 'data-failing', failing || null);
  setText(cells[1], count(peer.attempts));
  setText(cells[2], count(peer.failures));
  setText(cells[3], percent(shareOf(peer.failures, peer.attempts)));
  setText(cells[4], peer.failures === 0 ? '–' : listCounts(peer.causes));
  setText(cells[5], ago(peer.last_failure, now));
  setText(cells[6], ago(peer.last_success, now));
}

function renderUpstreams(data, now, view) {
  const rows = sortRows(upstreamRows(data), view.sort);
  const shown = rows.filter(
      (row, i) => i < view.upstreamsShown || view.open.has(row.name));
  setText($('upstream-count'), plural(rows.length, 'upstream'));
  for (const th of $('upstreams').tHead.rows[0].cells) {
    setAttribute(th, 'aria-sort', th.dataset.sort !== view.sort ? null :
        view.sort === 'name' ? 'ascending' : 'descending');
  }
  const items = shown.flatMap((row) => view.open.has(row.name) ?
      [{row}, {row, detail: true}] : [{row}]);
  keyed($('upstreams').tBodies[0], items,
        (item) => (item.detail ? 'd' : 'u') + item.row.name,
        (item) => item.detail ?
            el('tr', {class: 'detail'}, el('td', {colspan: 7})) :
            makeUpstream(item.row, view.toggle),
        (node, item) => item.detail ?
            renderDetail(node, item.row, now, view.more) :
            updateUpstream(node, item.row, view.open.has(item.row.name)));
  const more = $('more-upstreams');
  more.hidden = shown.length === rows.length;
  setText(more, `Show all ${plural(rows.length, 'upstream')}`);
}
