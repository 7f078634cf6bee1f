import type { PeerCertificate } from "node:tls";
import { describe, expect, test } from "vitest";
import { identityOf, isAllowed, namesOf } from "./identity.ts";

const certificate = (subject: object, subjectaltname?: string) =>
	({ subject, subjectaltname }) as unknown as PeerCertificate;

describe("the names of a client certificate", () => {
	test.each([
		[certificate({ CN: "client" }), ["cn:client"], "client"],
		[
			certificate({ CN: "c" }, "DNS:a.b, URI:spiffe://x/y, IP Address:1.2.3.4"),
			["dns:a.b", "uri:spiffe://x/y", "cn:c"],
			"spiffe://x/y",
		],
		[certificate({ CN: ["one", "two"] }), ["cn:one", "cn:two"], "one"],
		[certificate({}, "DNS:only"), ["dns:only"], "only"],
		[certificate({}), [], undefined],
	])("%j", (of, names, identity) => {
		expect(namesOf(of)).toEqual(names);
		expect(identityOf(names)).toBe(identity);
	});

	test("leaves out a quoted entry, which tries to look like two", () => {
		expect(namesOf(certificate({}, 'DNS:"evil, DNS:good.example"'))).toEqual([]);
	});
});

test.each([
	[["cn:client"], true],
	[["cn:clien"], false],
	[["dns:client"], false],
	[["cn:cl*nt"], true],
	[["cn:*"], true],
	[["cn:.*"], false],
	[["uri:spiffe://builds/*"], true],
	[["uri:spiffe://other/*", "cn:x"], false],
	[[], false],
])("%j allows cn:client, uri:spiffe://builds/ci: %s", (patterns, expected) => {
	expect(isAllowed(["cn:client", "uri:spiffe://builds/ci"], patterns)).toBe(expected);
});
