import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";

/** A certificate as BuildKit's create-certs lays it out: a folder with ca.pem, cert.pem and key.pem. */
export interface CertificateFiles {
	readonly ca: string;
	readonly cert: string;
	readonly key: string;
}

/** A certificate and its key, both in PEM. */
export interface KeyPair {
	readonly cert: string;
	readonly key: string;
}

interface CertificateOptions {
	readonly commonName: string;
	/** Subject alternative names: DNS names, IPv4 addresses and URIs, told apart by their form. */
	readonly names?: readonly string[];
	readonly from?: Date;
	readonly until?: Date;
}

/** A certificate authority of a test's own. */
export interface Authority {
	readonly cert: string;
	/** For clients and servers alike, as BuildKit's create-certs.sh does. */
	issue(options: CertificateOptions): KeyPair;
}

const dayMs = 86_400_000;

/** Makes certificates without openssl, in a millisecond each: DER by hand (RFC 5280), ECDSA on P-256. */
export function createAuthority(commonName = "test authority"): Authority {
	const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
	const certificate = (options: CertificateOptions, key: KeyObject, extensions: readonly Buffer[]) =>
		toPem(signed(commonName, options, key, extensions, privateKey));
	return {
		cert: certificate({ commonName }, publicKey, [
			extension("2.5.29.19", true, sequence(tagged(0x01, Buffer.from([0xff])))), // CA: true
			extension("2.5.29.15", true, bitString(Buffer.from([0x06]), 1)), // keyCertSign, cRLSign
		]),
		issue(options) {
			const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
			const names = (options.names ?? []).map(alternativeName);
			const cert = certificate(options, pair.publicKey, [
				// serverAuth and clientAuth
				extension("2.5.29.37", false, sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2"))),
				...(names.length === 0 ? [] : [extension("2.5.29.17", false, sequence(...names))]),
			]);
			return { cert, key: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
		},
	};
}

export function writeCertificate(
	folder: string,
	{ cert: ca }: Authority,
	{ cert, key }: KeyPair,
): CertificateFiles {
	mkdirSync(folder, { recursive: true });
	const write = (name: string, pem: string) => {
		const path = join(folder, `${name}.pem`);
		writeFileSync(path, pem, { mode: 0o600 });
		return path;
	};
	return { ca: write("ca", ca), cert: write("cert", cert), key: write("key", key) };
}

function signed(
	issuer: string,
	{ commonName, from, until }: CertificateOptions,
	publicKey: KeyObject,
	extensions: readonly Buffer[],
	signer: KeyObject,
): Buffer {
	const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));
	const toBeSigned = sequence(
		tagged(0xa0, integer(Buffer.from([2]))), // version 3
		integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
		ecdsaWithSha256,
		distinguishedName(issuer),
		sequence(
			utcTime(from ?? new Date(Date.now() - dayMs)),
			utcTime(until ?? new Date(Date.now() + 30 * dayMs)),
		),
		distinguishedName(commonName),
		publicKey.export({ type: "spki", format: "der" }),
		tagged(0xa3, sequence(...extensions)),
	);
	return sequence(toBeSigned, ecdsaWithSha256, bitString(sign("sha256", toBeSigned, signer), 0));
}

function toPem(der: Buffer): string {
	const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
	return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function tagged(tag: number, ...contents: readonly Buffer[]): Buffer {
	const content = Buffer.concat(contents);
	const { length } = content;
	const lengthBytes =
		length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
	return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}

const sequence = (...contents: readonly Buffer[]) => tagged(0x30, ...contents);
const integer = (bytes: Buffer) => tagged(0x02, bytes);
const bitString = (bytes: Buffer, unusedBits: number) => tagged(0x03, Buffer.from([unusedBits]), bytes);

function oid(dotted: string): Buffer {
	const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
	const bytes = [first * 40 + second];
	for (const part of rest) {
		const digits = [part & 0x7f];
		for (let left = part >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
		bytes.push(...digits);
	}
	return tagged(0x06, Buffer.from(bytes));
}

function distinguishedName(commonName: string): Buffer {
	const attribute = sequence(oid("2.5.4.3"), tagged(0x0c, Buffer.from(commonName)));
	return sequence(tagged(0x31, attribute));
}

/** 20251121170906Z without its century. */
function utcTime(date: Date): Buffer {
	const text = `${date.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`;
	return tagged(0x17, Buffer.from(text));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
	const flag = critical ? [tagged(0x01, Buffer.from([0xff]))] : [];
	return sequence(oid(id), ...flag, tagged(0x04, value));
}

function alternativeName(name: string): Buffer {
	if (net.isIPv4(name)) return tagged(0x87, Buffer.from(name.split(".").map(Number)));
	return tagged(name.includes("://") ? 0x86 : 0x82, Buffer.from(name));
}
