// A worker thread: started by relay.ts, with the descriptor that tells of commands.
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Command, Report } from "./messages.ts";
import { RelayLoop } from "./relay-loop.ts";
import { SystemCalls } from "./system-calls.ts";

const calls = SystemCalls.load();
if (parentPort !== null && calls instanceof SystemCalls) {
	const port = parentPort;
	const next = (): Command | undefined => receiveMessageOnPort(port)?.message;
	new RelayLoop(calls, { fd: Number(workerData), next }, (report: Report) => port.postMessage(report)).run();
}
