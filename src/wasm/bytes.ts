// Writes the primitive encodings of a WebAssembly binary (bytes, LEB128, floats, names) into one growing
// array. Knows nothing of instructions or sections.

const FLOAT_BUFFER = new DataView(new ArrayBuffer(8));
const ENCODER = new TextEncoder();

/** A growing byte array with the encodings a WebAssembly binary is made of. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** Creates an empty writer with room for `capacity` bytes. */
  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Number of bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** The bytes written so far, as a view that is valid until the next write. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Appends one byte. */
  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Appends raw bytes. */
  raw(values: Uint8Array): void {
    this.#reserve(values.length);
    this.#bytes.set(values, this.#length);
    this.#length += values.length;
  }

  /** Appends an unsigned integer below 2^32 as LEB128. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Appends a signed 32-bit integer as LEB128; 2^31..2^32-1 stand for the negative of the same bits. */
  signed(value: number): void {
    let rest = value | 0;
    while (rest < -0x40 || rest > 0x3f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.byte(rest & 0x7f);
  }

  /** Appends a signed 64-bit integer as LEB128. */
  signed64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    while (rest < -0x40n || rest > 0x3fn) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest & 0x7fn));
  }

  /** Appends a float32, little-endian. */
  float32(value: number): void {
    FLOAT_BUFFER.setFloat32(0, value, true);
    for (let i = 0; i < 4; i++) this.byte(FLOAT_BUFFER.getUint8(i));
  }

  /** Appends a float64, little-endian. */
  float64(value: number): void {
    FLOAT_BUFFER.setFloat64(0, value, true);
    for (let i = 0; i < 8; i++) this.byte(FLOAT_BUFFER.getUint8(i));
  }

  /** Appends 32 bits, little-endian. */
  word(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) {
      this.byte((value >>> shift) & 0xff);
    }
  }

  /** Appends a UTF-8 string with its length in front. */
  name(text: string): void {
    const encoded = ENCODER.encode(text);
    this.unsigned(encoded.length);
    this.raw(encoded);
  }

  /** Appends what `write` writes with its length in bytes in front. */
  sized(write: () => void): void {
    // The length is not known yet: five bytes are kept for it, the widest LEB128 of 32 bits.
    this.#reserve(5);
    const start = this.#length;
    this.#length += 5;
    write();
    let size = this.#length - start - 5;
    for (let i = 0; i < 4; i++) {
      this.#bytes[start + i] = (size & 0x7f) | 0x80;
      size >>>= 7;
    }
    this.#bytes[start + 4] = size;
  }

  #reserve(count: number): void {
    const wanted = this.#length + count;
    if (wanted <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}
