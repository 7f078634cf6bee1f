// What the cluster changes in the machine's network and kernel settings, and how that is undone.
import { readFileSync, writeFileSync } from "node:fs";
import { findProgram } from "../tools/programs.ts";
import { runCommand } from "../tools/run-command.ts";
import { addresses } from "./layout.ts";

/** kube-proxy's, in nftables mode. */
const tables = [
	["ip", "kube-proxy"],
	["ip6", "kube-proxy"],
] as const;

/** Set by kubelet, kube-proxy and the CNI plugins (or by us, for forwarding between pods). */
const changedSysctls = [
	"net/ipv4/ip_forward",
	"vm/overcommit_memory",
	"vm/panic_on_oom",
	"kernel/panic",
	"kernel/panic_on_oops",
];

export function readSysctls(): Record<string, string> {
	const values = changedSysctls.map((name) => [name, readFileSync(`/proc/sys/${name}`, "utf8").trim()]);
	return Object.fromEntries(values);
}

export function restoreSysctls(sysctls: Readonly<Record<string, string>>): void {
	for (const [name, value] of Object.entries(sysctls)) {
		if (readFileSync(`/proc/sys/${name}`, "utf8").trim() !== value) {
			writeFileSync(`/proc/sys/${name}`, value);
		}
	}
}

export async function addNodeAddress(): Promise<void> {
	if (!(await hasNodeAddress())) await ip(["addr", "add", `${addresses.node}/32`, "dev", "lo"]);
	writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
}

/**
 * The pods' interfaces would vanish with their network namespaces, but a killed process's TCP connection that still has
 * bytes to send keeps its namespace for minutes.
 */
export async function cleanNetwork(): Promise<void> {
	for (const name of await podInterfaces()) await removeInterface(name);
	if (await hasNodeAddress()) await ip(["addr", "del", `${addresses.node}/32`, "dev", "lo"]);
	for (const [family, name] of await ownTables()) await nft(["delete", "table", family, name]);
}

export async function hasNodeAddress(): Promise<boolean> {
	return (await ip(["-o", "addr", "show", "dev", "lo"])).includes(` ${addresses.node}/`);
}

export async function ownTables(): Promise<readonly (readonly [string, string])[]> {
	const listed = (await nft(["list", "tables"])).split("\n").map((line) => line.trim());
	return tables.filter(([family, name]) => listed.includes(`table ${family} ${name}`));
}

/** Interfaces of pods, by the routes to them. */
export async function podInterfaces(): Promise<string[]> {
	const routes = await ip(["-o", "route", "show", "root", addresses.pods]);
	return [...routes.matchAll(/ dev (\S+)/g)].map((match) => match[1] ?? "");
}

/** It may go by itself in this very moment. */
async function removeInterface(name: string): Promise<void> {
	try {
		await ip(["link", "del", name]);
	} catch (error) {
		if ((await podInterfaces()).includes(name)) throw error;
	}
}

function ip(args: readonly string[]): Promise<string> {
	return runCommand(findProgram("ip"), args);
}

function nft(args: readonly string[]): Promise<string> {
	return runCommand(findProgram("nft"), args);
}
