// A failed call in words: what it went through, where its time limits came from, and what was known of its peer. The
// numbers are in RpcError.report; this only tells them.

import type { CallReport, PeerReport, SilenceReason } from '../base/call-report.ts';
import { RpcError } from './error.ts';

/** Causes of causes that are told at most. */
const CAUSES_MAX = 4;

/**
 * A paragraph about an error: its message and, where it is an RpcError with a report, everything that led to it. What
 * is no RpcError is told by its message. Errors that caused it follow, each in a paragraph of its own.
 */
export function explain(error: unknown): string {
  const paragraphs: string[] = [];
  let current = error;
  for (let depth = 0; depth <= CAUSES_MAX && current !== undefined; depth++) {
    paragraphs.push((depth === 0 ? '' : 'Caused by: ') + paragraph(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return paragraphs.join('\n');
}

function paragraph(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const report = error instanceof RpcError ? error.report : undefined;
  if (report === undefined) return sentence(error.message);
  return [sentence(error.message), ...pathOf(report), ...limitsOf(report), ...peerOf(report.peer)].join(' ');
}

/** How far it got. */
function pathOf(report: CallReport): string[] {
  const { state, queuedMs, sinceSentMs, requestBytes, requestDatagrams, requestAckedBytes } = report;
  switch (state) {
    case 'refused':
      return [refusalOf(report)];
    case 'queued':
      return [`It waited for ${ms(queuedMs)}; nothing of its ${bytes(requestBytes)} was sent.`];
    case 'sending':
    case 'sent':
    case 'working':
    case 'answering': {
      const part = state === 'sending' ? 'A part' : 'All';
      const carried = requestDatagrams === undefined ? '' : `, in ${plural(requestDatagrams, 'datagram')}`;
      const acked =
        requestAckedBytes === undefined
          ? ''
          : `; the peer acknowledged ${requestAckedBytes === requestBytes ? 'all of it' : bytes(requestAckedBytes)}`;
      const waited = queuedMs >= 1 ? `, having waited for ${ms(queuedMs)}` : '';
      const sent = `${part} of its request of ${bytes(requestBytes)} was sent${carried}${acked}. It failed ${ms(sinceSentMs ?? 0)} after its first byte had left${waited}.`;
      return [sent, ...answerOf(report)];
    }
    default:
      return state satisfies never;
  }
}

function refusalOf({ refusedBy, peer }: CallReport): string {
  if (refusedBy !== undefined) {
    return `It was refused here, before anything was sent: ${refusedBy.limit} is ${refusedBy.max}.`;
  }
  return `It was refused here, before anything was sent: the peer is ${peer.health}.`;
}

function answerOf({ state, working, answerArrivedBytes, answerBytes }: CallReport): string[] {
  const told: string[] = [];
  if (working === true) told.push('The peer said that its handler was at work.');
  if (answerBytes !== undefined) {
    told.push(`Of the answer, ${answerArrivedBytes} of ${bytes(answerBytes)} had arrived.`);
  } else if (state === 'sent' && working === false) {
    told.push('The peer did not say that its handler was at work.');
  }
  return told;
}

/** Why its deadline was what it was. */
function limitsOf({ limits, overdue }: CallReport): string[] {
  const { deadline, deadlineAfterMs, overdueAfterMs, basis } = limits;
  const { samples, p95Ms, cohortSamples, cohortP95Ms } = basis;
  const own = `${plural(Math.round(samples), 'recent answer')} of this peer${samples >= 0.5 ? ` (95 % within ${ms(p95Ms)} and the way)` : ''}`;
  const others = `${Math.round(cohortSamples)} of all peers (${ms(cohortP95Ms)})`;
  const path = `a round trip of ${ms(basis.smoothedRttMs)} ± ${ms(basis.rttVarianceMs)}`;
  const known = cohortSamples > 0 ? `${own}, ${others} and ${path}` : `${own} and ${path}`;
  const soft = `it ${overdue ? 'was' : 'would be'} overdue after ${ms(overdueAfterMs)}`;
  if (deadline === 'given') {
    const hard =
      deadlineAfterMs === Number.POSITIVE_INFINITY
        ? 'It had no deadline'
        : `Its caller gave it ${ms(deadlineAfterMs)}`;
    return [`${hard}; by ${known}, ${soft}.`];
  }
  if (basis.source === 'none') {
    return [
      `Hardly anybody has answered such a call, so its deadline of ${ms(deadlineAfterMs)} was a guess, from ${known}; ${soft}.`,
    ];
  }
  return [`Its deadline of ${ms(deadlineAfterMs)} was learnt, from ${known}; by the same, ${soft}.`];
}

/** What is known of who did not answer. */
function peerOf(peer: PeerReport): string[] {
  const heard =
    peer.sinceHeardMs === undefined
      ? 'has never been heard'
      : `was last heard ${ms(peer.sinceHeardMs)} before`;
  const probes =
    peer.unansweredProbes === undefined || peer.unansweredProbes === 0
      ? ''
      : `, with ${plural(peer.unansweredProbes, 'probe')} unanswered (${peer.probesToSilence} make it silent)`;
  const told = [`The peer counted as ${peer.health}: it ${heard}${probes}.`];
  if (peer.silence !== undefined) told.push(...MACHINE[peer.silence]);
  const facts: string[] = [];
  if (peer.rttMeasured) {
    facts.push(`the round trip was ${ms(peer.smoothedRttMs)} ± ${ms(peer.rttVarianceMs)}`);
  }
  if (peer.lossRate !== undefined && peer.rttMeasured) {
    facts.push(`about ${(100 * peer.lossRate).toFixed(0)} % of our packets were lost`);
  }
  if (peer.outstandingCalls > 1) {
    facts.push(`${peer.outstandingCalls} calls waited for it`);
  }
  if (facts.length > 0) told.push(`On the way to it, ${listed(facts)}.`);
  return told;
}

/** What its machine said meanwhile. */
const MACHINE: Readonly<Record<SilenceReason, readonly string[]>> = {
  refused: ['Its machine said that nobody listens at its port.'],
  frozen: [
    'Its machine, asked at a closed port, answered: the process is there and does not run, or not fast enough.',
  ],
  vanished: [
    'Its machine, asked twice at closed ports, did not answer: it is gone, or the way to it, or a firewall keeps silent.',
  ],
  'no answer': [],
};

/** `a, b and c`. */
function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join() : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

function ms(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 100 || value === 0 ? value.toFixed(0) : Number(value.toPrecision(2))} ms`;
}

function bytes(count: number): string {
  return plural(count, 'byte');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
