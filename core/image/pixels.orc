# Pixel programs. Each also is a C function of the same name, for processors ORC cannot compile for.
.init clip_orc_init

# 10-bit samples to 8: (word + half) >> drop_bits, sums and results saturate
.function clip_orc_words_to_bytes
.dest 1 bytes guint8
.source 2 words guint16
.param 2 half
.param 2 drop_bits
.temp 2 t
addusw t, words, half
shruw t, t, drop_bits
convuuswb bytes, t


# bytes 0, 2, 4 … and 1, 3, 5 …
.function clip_orc_even_bytes
.dest 1 bytes guint8
.source 2 pairs guint8
select0wb bytes, pairs

.function clip_orc_odd_bytes
.dest 1 bytes guint8
.source 2 pairs guint8
select1wb bytes, pairs


# chroma of the luma row that is nearer to chroma row `near`: (3·near + far + 2) / 4
.function clip_orc_upsample_down
.dest 1 row guint8
.source 1 near guint8
.source 1 far guint8
.temp 2 n
.temp 2 f
convubw n, near
mullw n, n, 3
convubw f, far
addw n, n, f
addw n, n, 2
shruw n, n, 2
convwb row, n


# each sample, and its rounded mean with the next
.function clip_orc_upsample_across
.dest 2 pairs guint8
.source 1 half guint8
.source 1 next guint8
.temp 1 mean
avgub mean, half, next
mergebw pairs, half, mean


# Y'CbCr to R'G'B', weights with 13 fractional bits:
# c = clip8 ((ky·(y - black) + k·(u - 128) + k·(v - 128) + 2^12) >> 13)
.function clip_orc_yuv_to_rgb
.dest 1 r guint8
.dest 1 g guint8
.dest 1 b guint8
.source 1 y guint8
.source 1 u guint8
.source 1 v guint8
.param 2 black
.param 2 ky
.param 2 krv
.param 2 kgu
.param 2 kgv
.param 2 kbu
.temp 2 w
.temp 2 cb
.temp 2 cr
.temp 4 luma
.temp 4 t
.temp 4 s
convubw w, y
subw w, w, black
mulswl luma, w, ky
addl luma, luma, 4096
convubw cb, u
subw cb, cb, 128
convubw cr, v
subw cr, cr, 128
mulswl t, cr, krv
addl t, t, luma
shrsl t, t, 13
convssslw w, t
convsuswb r, w
mulswl t, cb, kbu
addl t, t, luma
shrsl t, t, 13
convssslw w, t
convsuswb b, w
mulswl t, cb, kgu
mulswl s, cr, kgv
addl t, t, s
addl t, t, luma
shrsl t, t, 13
convssslw w, t
convsuswb g, w


# planes to pixels of four bytes, the last unused
.function clip_orc_pack_rgbx
.dest 4 pixels guint8
.source 1 r guint8
.source 1 g guint8
.source 1 b guint8
.temp 2 rg
.temp 2 bx
mergebw rg, r, g
mergebw bx, b, b
mergewl pixels, rg, bx
