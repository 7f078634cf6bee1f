import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type CertificateFiles, TestCa } from "../test/helpers/certificates.ts";
import { ManualClock } from "../test/helpers/manual-clock.ts";
import type { ScalerError } from "./error.ts";
import { TlsCredentials } from "./tls-credentials.ts";

async function setup() {
	const ca = await TestCa.create();
	const first = await ca.sign("first");
	const second = await ca.sign("second", [], { days: 1 });
	const files = { ca: first.ca, cert: join(ca.folder, "cert.pem"), key: join(ca.folder, "key.pem") };
	const put = ({ cert, key }: CertificateFiles) => {
		copyFileSync(cert, files.cert);
		copyFileSync(key, files.key);
	};
	put(first);
	const clock = new ManualClock();
	const reloads: (ScalerError | undefined)[] = [];
	const open = (of = files) => {
		const credentials = new TlsCredentials(of, { clock, onReload: (error) => reloads.push(error) });
		onTestFinished(() => credentials.close());
		return credentials;
	};
	return { files, first, second, put, clock, reloads, open };
}

test("files that are wrong are refused, by name and never by content", async () => {
	const { files, second, open } = await setup();
	const refused = (of: Partial<CertificateFiles>) => () => open({ ...files, ...of });
	const invalid = (message: RegExp) =>
		expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(message) });
	expect(refused({ cert: "/nowhere/cert.pem" })).toThrowError(invalid(/ENOENT.*\/nowhere\/cert.pem/));
	expect(refused({ key: second.key })).toThrowError(invalid(/cert.pem and .*key.pem do not fit together/));
	expect(refused({ key: files.cert })).toThrowError(invalid(/cert.pem holds no private key in PEM$/));
	expect(refused({ ca: files.key })).toThrowError(invalid(/key.pem holds no certificate in PEM$/));
});

test("a change is taken up within 5 s, told once, and what is wrong changes nothing", async () => {
	const { files, first, second, put, clock, reloads, open } = await setup();
	const credentials = open();
	const { context, options, expiresAt } = credentials;
	clock.advance(5_000);
	expect(reloads).toEqual([]);
	put(second);
	clock.advance(5_000);
	expect(reloads).toEqual([undefined]);
	expect(credentials.context).not.toBe(context);
	expect(credentials.options).not.toBe(options);
	expect(credentials.expiresAt).toBeLessThan(expiresAt ?? 0);
	// The kubelet swaps all files at once; others do not, and then the pair does not fit for a moment.
	const renewed = credentials.context;
	copyFileSync(first.cert, files.cert);
	clock.advance(15_000);
	expect(reloads.map((error) => error?.code)).toEqual([undefined, "CONFIG_INVALID"]);
	writeFileSync(files.key, "");
	clock.advance(5_000);
	rmSync(files.cert);
	clock.advance(5_000);
	expect(reloads).toHaveLength(4);
	expect(credentials.context).toBe(renewed);
	put(first);
	credentials.reload();
	expect(reloads.at(-1)).toBeUndefined();
	credentials.close();
	expect(clock.pending).toBe(0);
});
