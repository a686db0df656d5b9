// The WebAssembly instructions the emitters use, one line each: encoding, operand types, result types.
// Names are those of the WebAssembly specification. Control flow, locals and constants, whose operands are
// not plain types, are methods of the function builder.

/** Type of a WebAssembly value. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

/** Types an instruction or a function takes from the stack and leaves on it. */
export interface Signature {
  /** Operand types, the one on top of the stack last. */
  readonly params: readonly ValueType[];
  /** Result types, the one on top of the stack last. */
  readonly results: readonly ValueType[];
}

/** Encoding and signature: 0xPPSSSS is prefix byte PP with sub-opcode SSSS, anything below 0x100 one byte. */
type Plain = readonly [code: number, signature: Signature];
/** A memory access has also the base-2 logarithm of its natural alignment. */
type Memory = readonly [code: number, signature: Signature, alignment: number];

const LETTERS: Record<string, ValueType> = {
  i: "i32",
  l: "i64",
  f: "f32",
  d: "f64",
  v: "v128",
};

/** Reads "vv:v" as two v128 operands and one v128 result. */
function signature(text: string): Signature {
  const [params = "", results = ""] = text.split(":");
  const types = (letters: string) => [...letters].map((x) => LETTERS[x]!);
  return { params: types(params), results: types(results) };
}

const I_I = signature("i:i");
const II_I = signature("ii:i");
const L_I = signature("l:i");
const L_L = signature("l:l");
const LL_L = signature("ll:l");
const LL_I = signature("ll:i");
const F_F = signature("f:f");
const FF_F = signature("ff:f");
const FF_I = signature("ff:i");
const D_D = signature("d:d");
const DD_D = signature("dd:d");
const DD_I = signature("dd:i");
const V_V = signature("v:v");
const VV_V = signature("vv:v");
const VVV_V = signature("vvv:v");
const V_I = signature("v:i");
const VI_V = signature("vi:v");

/** Instructions without immediates. */
export const PLAIN = {
  "nop": [0x01, signature(":")],
  "i32.eqz": [0x45, I_I],
  "i32.eq": [0x46, II_I],
  "i32.ne": [0x47, II_I],
  "i32.lt_s": [0x48, II_I],
  "i32.lt_u": [0x49, II_I],
  "i32.gt_s": [0x4a, II_I],
  "i32.gt_u": [0x4b, II_I],
  "i32.le_s": [0x4c, II_I],
  "i32.le_u": [0x4d, II_I],
  "i32.ge_s": [0x4e, II_I],
  "i32.ge_u": [0x4f, II_I],
  "i64.eqz": [0x50, L_I],
  "i64.eq": [0x51, LL_I],
  "i64.ne": [0x52, LL_I],
  "i64.lt_s": [0x53, LL_I],
  "i64.lt_u": [0x54, LL_I],
  "i64.gt_s": [0x55, LL_I],
  "i64.gt_u": [0x56, LL_I],
  "f32.eq": [0x5b, FF_I],
  "f32.ne": [0x5c, FF_I],
  "f32.lt": [0x5d, FF_I],
  "f32.gt": [0x5e, FF_I],
  "f32.le": [0x5f, FF_I],
  "f32.ge": [0x60, FF_I],
  "f64.eq": [0x61, DD_I],
  "f64.ne": [0x62, DD_I],
  "f64.lt": [0x63, DD_I],
  "f64.gt": [0x64, DD_I],
  "i32.clz": [0x67, I_I],
  "i32.ctz": [0x68, I_I],
  "i32.popcnt": [0x69, I_I],
  "i32.add": [0x6a, II_I],
  "i32.sub": [0x6b, II_I],
  "i32.mul": [0x6c, II_I],
  "i32.div_s": [0x6d, II_I],
  "i32.div_u": [0x6e, II_I],
  "i32.rem_s": [0x6f, II_I],
  "i32.rem_u": [0x70, II_I],
  "i32.and": [0x71, II_I],
  "i32.or": [0x72, II_I],
  "i32.xor": [0x73, II_I],
  "i32.shl": [0x74, II_I],
  "i32.shr_s": [0x75, II_I],
  "i32.shr_u": [0x76, II_I],
  "i32.rotl": [0x77, II_I],
  "i64.add": [0x7c, LL_L],
  "i64.sub": [0x7d, LL_L],
  "i64.mul": [0x7e, LL_L],
  "i64.and": [0x83, LL_L],
  "i64.or": [0x84, LL_L],
  "i64.xor": [0x85, LL_L],
  "i64.shl": [0x86, LL_L],
  "i64.shr_s": [0x87, LL_L],
  "i64.shr_u": [0x88, LL_L],
  "i64.rotl": [0x89, LL_L],
  "f32.abs": [0x8b, F_F],
  "f32.neg": [0x8c, F_F],
  "f32.ceil": [0x8d, F_F],
  "f32.floor": [0x8e, F_F],
  "f32.trunc": [0x8f, F_F],
  "f32.nearest": [0x90, F_F],
  "f32.sqrt": [0x91, F_F],
  "f32.add": [0x92, FF_F],
  "f32.sub": [0x93, FF_F],
  "f32.mul": [0x94, FF_F],
  "f32.div": [0x95, FF_F],
  "f32.min": [0x96, FF_F],
  "f32.max": [0x97, FF_F],
  "f32.copysign": [0x98, FF_F],
  "f64.sqrt": [0x9f, D_D],
  "f64.add": [0xa0, DD_D],
  "f64.sub": [0xa1, DD_D],
  "f64.mul": [0xa2, DD_D],
  "f64.div": [0xa3, DD_D],
  "i32.wrap_i64": [0xa7, L_I],
  "i64.extend_i32_s": [0xac, signature("i:l")],
  "i64.extend_i32_u": [0xad, signature("i:l")],
  "f32.convert_i32_s": [0xb2, signature("i:f")],
  "f32.convert_i32_u": [0xb3, signature("i:f")],
  "f32.demote_f64": [0xb6, signature("d:f")],
  "f64.convert_i32_s": [0xb7, signature("i:d")],
  "f64.promote_f32": [0xbb, signature("f:d")],
  "i32.reinterpret_f32": [0xbc, signature("f:i")],
  "f32.reinterpret_i32": [0xbe, signature("i:f")],
  "i64.extend32_s": [0xc4, L_L],
  "i32.trunc_sat_f32_s": [0xfc0000, signature("f:i")],
  "i32.trunc_sat_f32_u": [0xfc0001, signature("f:i")],
  "i8x16.swizzle": [0xfd000e, VV_V],
  "i8x16.splat": [0xfd000f, signature("i:v")],
  "i32x4.splat": [0xfd0011, signature("i:v")],
  "i64x2.splat": [0xfd0012, signature("l:v")],
  "f32x4.splat": [0xfd0013, signature("f:v")],
  "f64x2.splat": [0xfd0014, signature("d:v")],
  "i32x4.eq": [0xfd0037, VV_V],
  "i32x4.ne": [0xfd0038, VV_V],
  "i32x4.lt_s": [0xfd0039, VV_V],
  "i32x4.lt_u": [0xfd003a, VV_V],
  "i32x4.gt_s": [0xfd003b, VV_V],
  "i32x4.gt_u": [0xfd003c, VV_V],
  "i32x4.le_s": [0xfd003d, VV_V],
  "i32x4.le_u": [0xfd003e, VV_V],
  "i32x4.ge_s": [0xfd003f, VV_V],
  "i32x4.ge_u": [0xfd0040, VV_V],
  "f32x4.eq": [0xfd0041, VV_V],
  "f32x4.ne": [0xfd0042, VV_V],
  "f32x4.lt": [0xfd0043, VV_V],
  "f32x4.gt": [0xfd0044, VV_V],
  "f32x4.le": [0xfd0045, VV_V],
  "f32x4.ge": [0xfd0046, VV_V],
  "v128.not": [0xfd004d, V_V],
  "v128.and": [0xfd004e, VV_V],
  "v128.andnot": [0xfd004f, VV_V],
  "v128.or": [0xfd0050, VV_V],
  "v128.xor": [0xfd0051, VV_V],
  "v128.bitselect": [0xfd0052, VVV_V],
  "v128.any_true": [0xfd0053, V_I],
  "f32x4.demote_f64x2_zero": [0xfd005e, V_V],
  "f64x2.promote_low_f32x4": [0xfd005f, V_V],
  "f32x4.ceil": [0xfd0067, V_V],
  "f32x4.floor": [0xfd0068, V_V],
  "f32x4.trunc": [0xfd0069, V_V],
  "f32x4.nearest": [0xfd006a, V_V],
  "i32x4.abs": [0xfd00a0, V_V],
  "i32x4.neg": [0xfd00a1, V_V],
  "i32x4.all_true": [0xfd00a3, V_I],
  "i32x4.bitmask": [0xfd00a4, V_I],
  "i32x4.shl": [0xfd00ab, VI_V],
  "i32x4.shr_s": [0xfd00ac, VI_V],
  "i32x4.shr_u": [0xfd00ad, VI_V],
  "i32x4.add": [0xfd00ae, VV_V],
  "i32x4.sub": [0xfd00b1, VV_V],
  "i32x4.mul": [0xfd00b5, VV_V],
  "i32x4.min_s": [0xfd00b6, VV_V],
  "i32x4.min_u": [0xfd00b7, VV_V],
  "i32x4.max_s": [0xfd00b8, VV_V],
  "i32x4.max_u": [0xfd00b9, VV_V],
  "f32x4.abs": [0xfd00e0, V_V],
  "f32x4.neg": [0xfd00e1, V_V],
  "f32x4.sqrt": [0xfd00e3, V_V],
  "f32x4.add": [0xfd00e4, VV_V],
  "f32x4.sub": [0xfd00e5, VV_V],
  "f32x4.mul": [0xfd00e6, VV_V],
  "f32x4.div": [0xfd00e7, VV_V],
  "f32x4.min": [0xfd00e8, VV_V],
  "f32x4.max": [0xfd00e9, VV_V],
  "f32x4.pmin": [0xfd00ea, VV_V],
  "f32x4.pmax": [0xfd00eb, VV_V],
  "f64x2.add": [0xfd00f0, VV_V],
  "f64x2.sub": [0xfd00f1, VV_V],
  "f64x2.mul": [0xfd00f2, VV_V],
  "i32x4.trunc_sat_f32x4_s": [0xfd00f8, V_V],
  "i32x4.trunc_sat_f32x4_u": [0xfd00f9, V_V],
  "f32x4.convert_i32x4_s": [0xfd00fa, V_V],
  "f32x4.convert_i32x4_u": [0xfd00fb, V_V],
  "i8x16.relaxed_swizzle": [0xfd0100, VV_V],
  "i32x4.relaxed_trunc_f32x4_s": [0xfd0101, V_V],
  "f32x4.relaxed_madd": [0xfd0105, VVV_V],
  "f32x4.relaxed_nmadd": [0xfd0106, VVV_V],
  "i32x4.relaxed_laneselect": [0xfd010b, VVV_V],
  "f32x4.relaxed_min": [0xfd010d, VV_V],
  "f32x4.relaxed_max": [0xfd010e, VV_V],
} as const satisfies Record<string, Plain>;

const LOAD_I = signature("i:i");
const LOAD_L = signature("i:l");
const LOAD_V = signature("i:v");
const STORE_I = signature("ii:");
const STORE_L = signature("il:");
const STORE_V = signature("iv:");
const UPDATE_I = signature("ii:i");
const UPDATE_L = signature("il:l");

/** Memory accesses: address operand and constant offset. */
export const MEMORY = {
  "i32.load": [0x28, LOAD_I, 2],
  "i64.load": [0x29, LOAD_L, 3],
  "f32.load": [0x2a, signature("i:f"), 2],
  "f64.load": [0x2b, signature("i:d"), 3],
  "i32.load8_s": [0x2c, LOAD_I, 0],
  "i32.load8_u": [0x2d, LOAD_I, 0],
  "i32.load16_s": [0x2e, LOAD_I, 1],
  "i32.load16_u": [0x2f, LOAD_I, 1],
  "i32.store": [0x36, STORE_I, 2],
  "i64.store": [0x37, STORE_L, 3],
  "f32.store": [0x38, signature("if:"), 2],
  "f64.store": [0x39, signature("id:"), 3],
  "i32.store8": [0x3a, STORE_I, 0],
  "i32.store16": [0x3b, STORE_I, 1],
  "v128.load": [0xfd0000, LOAD_V, 4],
  "v128.load8_splat": [0xfd0007, LOAD_V, 0],
  "v128.load32_splat": [0xfd0009, LOAD_V, 2],
  "v128.load64_splat": [0xfd000a, LOAD_V, 3],
  "v128.store": [0xfd000b, STORE_V, 4],
  "v128.load32_zero": [0xfd005c, LOAD_V, 2],
  "v128.load64_zero": [0xfd005d, LOAD_V, 3],
  "memory.atomic.notify": [0xfe0000, UPDATE_I, 2],
  "memory.atomic.wait32": [0xfe0001, signature("iil:i"), 2],
  "memory.atomic.wait64": [0xfe0002, signature("ill:i"), 3],
  "i32.atomic.load": [0xfe0010, LOAD_I, 2],
  "i64.atomic.load": [0xfe0011, LOAD_L, 3],
  "i32.atomic.store": [0xfe0017, STORE_I, 2],
  "i64.atomic.store": [0xfe0018, STORE_L, 3],
  "i32.atomic.rmw.add": [0xfe001e, UPDATE_I, 2],
  "i64.atomic.rmw.add": [0xfe001f, UPDATE_L, 3],
  "i32.atomic.rmw.sub": [0xfe0025, UPDATE_I, 2],
  "i32.atomic.rmw.and": [0xfe002c, UPDATE_I, 2],
  "i32.atomic.rmw.or": [0xfe0033, UPDATE_I, 2],
  "i32.atomic.rmw.xchg": [0xfe0041, UPDATE_I, 2],
  "i32.atomic.rmw.cmpxchg": [0xfe0048, signature("iii:i"), 2],
} as const satisfies Record<string, Memory>;

/** Lane instructions with the lane count, which bounds the immediate. */
export const LANE = {
  "i32x4.extract_lane": [0xfd001b, V_I, 4],
  "i32x4.replace_lane": [0xfd001c, VI_V, 4],
  "i64x2.extract_lane": [0xfd001d, signature("v:l"), 2],
  "i64x2.replace_lane": [0xfd001e, signature("vl:v"), 2],
  "f32x4.extract_lane": [0xfd001f, signature("v:f"), 4],
  "f32x4.replace_lane": [0xfd0020, signature("vf:v"), 4],
  "f64x2.extract_lane": [0xfd0021, signature("v:d"), 2],
} as const satisfies Record<string, Memory>;

/** Memory accesses of one lane; the last entry is the base-2 logarithm of the lane's bytes. */
export const MEMORY_LANE = {
  "v128.load32_lane": [0xfd0056, signature("iv:v"), 2],
  "v128.load64_lane": [0xfd0057, signature("iv:v"), 3],
  "v128.store32_lane": [0xfd005a, STORE_V, 2],
  "v128.store64_lane": [0xfd005b, STORE_V, 3],
} as const satisfies Record<string, Memory>;

/** Byte that stands for a value type in the binary. */
export const TYPE_CODE: Record<ValueType, number> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};
