// What the server is asked for, and what is taken out of its answers.

const kLimit = 100;       // as the server's own default
const kLimitMax = 10000;  // more it refuses
const kTypes = {json: 'json', text: 'text/plain'};

function source(wanted) {
  const params = new URLSearchParams(location.search);
  params.set('format', 'json');
  params.set('limit', view.limit);
  params.delete('window');
  for (const [name, value] of Object.entries(wanted)) {
    params.set(name, value);
  }
  return `${location.pathname}?${params}`;
}

// The text of one element of the page.
function partOf(page, id) {
  const node = page.getElementById(id);
  if (!node) {
    throw new Error('the answer is not the status page\'s');
  }
  return node.textContent;
}

// A location may be set to answer with this page only: it brings the data and
// the report.
async function answerIn(response, format) {
  const type = response.headers.get('Content-Type') || '';
  const body = await response.text();
  if (!response.ok) {
    const why = type.includes(kTypes.text) ? sentence(body.slice(0, 200)) : '';
    throw new Error(`the server answered ${response.status} ${why}`);
  }
  return type.includes(kTypes[format]) ? body :
      partOf(new DOMParser().parseFromString(body, 'text/html'),
             format === 'json' ? 'data' : 'report');
}

async function request(signal, wanted = {}) {
  const response = await fetch(source(wanted), {
    signal, cache: 'no-store', headers: {Accept: 'application/json'}});
  return JSON.parse(await answerIn(response, 'json'));
}

// A filter is for the events alone, a window for the chart: the verdict stays
// that of everything in the last hour. Events of a cause or an upstream may be
// rare: the server is asked for them by name.
async function requestAll(signal) {
  const {filter: {cause, only}, window} = view;
  // A link may name a cause that there is not, which would be refused.
  const known = Object.hasOwn(feed.data.totals.causes, cause);
  const wanted = {...(known ? {cause} : {}), ...(only ? {upstream: only} : {})};
  const [data, chosen, longer] = await Promise.all([
    request(signal), known || only ? request(signal, wanted) : null,
    window === '1h' ? null : request(signal, {window, limit: 0})]);
  return {...data, chosen: chosen && {cause, only, events: chosen.events},
          shown: longer && longer.totals.history};
}

async function askIncident(id, format) {
  const response = await fetch(
      `${location.pathname}?incident=${id}&format=${format}&limit=20`,
      {cache: 'no-store', signal: AbortSignal.timeout(2 * kInterval)});
  return answerIn(response, format);
}

function whyNot(error) {
  const why = error.name === 'TypeError' || error.name === 'TimeoutError' ?
      'the server does not answer' : error.message;
  return sentence(why).replace(/^T/, 't');
}
