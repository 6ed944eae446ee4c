"""The atoms of UCUM: how much each one is of others.

A line is: code, `*` if the unit takes prefixes or `-`, and the definition, a number and a unit. `=` in its
place makes a unit that is compared with nothing but itself: a scale that is not a ratio (pH, decibel), an
arbitrary unit, or one that UCUM defines as the plain number 1 although nobody would compare two of these
(turbidity, bits, fields of a microscope).

Source: https://ucum.org/ucum, tables 1 to 4 (version 2.2)
"""

PREFIXES = {
    "Y": "1e24",
    "Z": "1e21",
    "E": "1e18",
    "P": "1e15",
    "T": "1e12",
    "G": "1e9",
    "M": "1e6",
    "k": "1e3",
    "h": "1e2",
    "da": "1e1",
    "d": "1e-1",
    "c": "1e-2",
    "m": "1e-3",
    "u": "1e-6",
    "n": "1e-9",
    "p": "1e-12",
    "f": "1e-15",
    "a": "1e-18",
    "z": "1e-21",
    "y": "1e-24",
    "Ki": "1024",
    "Mi": "1048576",
    "Gi": "1073741824",
    "Ti": "1099511627776",
}

BASE_UNITS = frozenset({"m", "s", "g", "rad", "K", "C", "cd", "mol"})
"""UCUM's seven, and `mol`: UCUM takes it as a number, which would make 5 mmol/L a count of cells."""

TEMPERATURES = {
    "Cel": ("1", "273.15", True),
    "[degF]": ("5/9", "45967/180", False),
    "[degRe]": ("5/4", "273.15", False),
}
"""Scales of temperature: factor and distance that make them kelvins, and whether they take prefixes."""

ATOMS = """
# numbers
10* - 10 1
10^ - 10 1
[pi] - 3.1415926535897932384626433832795028841971693993751058209749445923 1
% - 10*-2
[ppth] - 10*-3
[ppm] - 10*-6
[ppb] - 10*-9
[pptr] - 10*-12
# SI
sr * rad2
Hz * s-1
N * kg.m/s2
Pa * N/m2
J * N.m
W * J/s
A * C/s
V * J/C
F * C/V
Ohm * V/A
S * Ohm-1
Wb * V.s
T * Wb/m2
H * Wb/A
lm * cd.sr
lx * lm/m2
Bq * s-1
Gy * J/kg
Sv * J/kg
# used beside the SI
gon - 0.9 deg
deg - 2 [pi].rad/360
' - deg/60
'' - '/60
l * dm3
L * l
ar * 100 m2
min - 60 s
h - 60 min
d - 24 h
a_t - 365.24219 d
a_j - 365.25 d
a_g - 365.2425 d
a - a_j
wk - 7 d
mo_s - 29.53059 d
mo_j - a_j/12
mo_g - a_g/12
mo - mo_j
t * 1e3 kg
bar * 1e5 Pa
u * 1.66053906660e-24 g
eV * [e].V
AU - 149597.870691 Mm
pc * 3.085678e16 m
# constants of nature
[c] * 299792458 m/s
[h] * 6.62607015e-34 J.s
[k] * 1.380649e-23 J/K
[eps_0] * 8.854187817e-12 F/m
[mu_0] * 4.[pi].10*-7.N/A2
[e] * 1.602176634e-19 C
[m_e] * 9.1093837139e-31 kg
[m_p] * 1.67262192595e-27 kg
[G] * 6.67430e-11 m3.kg-1.s-2
[g] * 980665e-5 m/s2
atm - 101325 Pa
[ly] * [c].a_j
gf * g.[g]
[lbf_av] - [lb_av].[g]
# CGS
Ky * cm-1
Gal * cm/s2
dyn * g.cm/s2
erg * dyn.cm
P * dyn.s/cm2
Bi * 10 A
St * cm2/s
Mx * 1e-8 Wb
G * 1e-4 T
Oe * 250 /[pi].A/m
Gb * Oe.cm
sb * cd/cm2
Lmb * cd/cm2/[pi]
ph * 1e-4 lx
Ci * 37e9 Bq
R * 2.58e-4 C/kg
RAD * 100 erg/g
REM * RAD
# customary lengths, international
[in_i] - 254e-2 cm
[ft_i] - 12 [in_i]
[yd_i] - 3 [ft_i]
[mi_i] - 5280 [ft_i]
[fth_i] - 6 [ft_i]
[nmi_i] - 1852 m
[kn_i] - [nmi_i]/h
[sin_i] - [in_i]2
[sft_i] - [ft_i]2
[syd_i] - [yd_i]2
[cin_i] - [in_i]3
[cft_i] - [ft_i]3
[cyd_i] - [yd_i]3
[bf_i] - 144 [in_i]3
[cr_i] - 128 [ft_i]3
[mil_i] - 1e-3 [in_i]
[cml_i] - [pi]/4.[mil_i]2
[hd_i] - 4 [in_i]
# lengths, US
[ft_us] - 1200 m/3937
[yd_us] - 3 [ft_us]
[in_us] - [ft_us]/12
[rd_us] - 16.5 [ft_us]
[ch_us] - 4 [rd_us]
[lk_us] - [ch_us]/100
[rch_us] - 100 [ft_us]
[rlk_us] - [rch_us]/100
[fth_us] - 6 [ft_us]
[fur_us] - 40 [rd_us]
[mi_us] - 8 [fur_us]
[acr_us] - 160 [rd_us]2
[srd_us] - [rd_us]2
[smi_us] - [mi_us]2
[sct] - [mi_us]2
[twp] - 36 [sct]
[mil_us] - 1e-3 [in_us]
# lengths, British
[in_br] - 2.539998 cm
[ft_br] - 12 [in_br]
[rd_br] - 16.5 [ft_br]
[ch_br] - 4 [rd_br]
[lk_br] - [ch_br]/100
[fth_br] - 6 [ft_br]
[pc_br] - 2.5 [ft_br]
[yd_br] - 3 [ft_br]
[mi_br] - 5280 [ft_br]
[nmi_br] - 6080 [ft_br]
[kn_br] - [nmi_br]/h
[acr_br] - 4840 [yd_br]2
# volumes, US
[gal_us] - 231 [in_i]3
[bbl_us] - 42 [gal_us]
[qt_us] - [gal_us]/4
[pt_us] - [qt_us]/2
[gil_us] - [pt_us]/4
[foz_us] - [gil_us]/4
[fdr_us] - [foz_us]/8
[min_us] - [fdr_us]/60
[crd_us] - 128 [ft_i]3
[bu_us] - 2150.42 [in_i]3
[gal_wi] - [bu_us]/8
[pk_us] - [bu_us]/4
[dqt_us] - [pk_us]/8
[dpt_us] - [dqt_us]/2
[tbs_us] - [foz_us]/2
[tsp_us] - [tbs_us]/3
[cup_us] - 16 [tbs_us]
[foz_m] - 30 mL
[cup_m] - 240 mL
[tsp_m] - 5 mL
[tbs_m] - 15 mL
# volumes, British
[gal_br] - 4.54609 l
[pk_br] - 2 [gal_br]
[bu_br] - 4 [pk_br]
[qt_br] - [gal_br]/4
[pt_br] - [qt_br]/2
[gil_br] - [pt_br]/4
[foz_br] - [gil_br]/5
[fdr_br] - [foz_br]/8
[min_br] - [fdr_br]/60
# weights, avoirdupois
[gr] - 64.79891 mg
[lb_av] - 7000 [gr]
[oz_av] - [lb_av]/16
[dr_av] - [oz_av]/16
[scwt_av] - 100 [lb_av]
[lcwt_av] - 112 [lb_av]
[ston_av] - 20 [scwt_av]
[lton_av] - 20 [lcwt_av]
[stone_av] - 14 [lb_av]
# weights, troy
[pwt_tr] - 24 [gr]
[oz_tr] - 20 [pwt_tr]
[lb_tr] - 12 [oz_tr]
# weights, apothecaries'
[sc_ap] - 20 [gr]
[dr_ap] - 3 [sc_ap]
[oz_ap] - 8 [dr_ap]
[lb_ap] - 12 [oz_ap]
[oz_m] - 28 g
# typesetting
[lne] - [in_i]/12
[pnt] - [lne]/6
[pca] - 12 [pnt]
[pnt_pr] - 0.013837 [in_i]
[pca_pr] - 12 [pnt_pr]
[pied] - 32.48 cm
[pouce] - [pied]/12
[ligne] - [pouce]/12
[didot] - [ligne]/6
[cicero] - 12 [didot]
# heat and power
[degR] - 5 K/9
cal_[15] * 4.18580 J
cal_[20] * 4.18190 J
cal_m * 4.19002 J
cal_IT * 4.1868 J
cal_th * 4.184 J
cal * cal_th
[Cal] - kcal_th
[Btu_39] - 1.05967 kJ
[Btu_59] - 1.05480 kJ
[Btu_60] - 1.05468 kJ
[Btu_m] - 1.05587 kJ
[Btu_IT] - 1.05505585262 kJ
[Btu_th] - 1.054350 kJ
[Btu] - [Btu_th]
[HP] - 550 [ft_i].[lbf_av]/s
tex * g/km
[den] - g/9/km
# clinical
m[H2O] * 980665e-5 kPa
m[Hg] * 133.3220 kPa
[in_i'H2O] - m[H2O].[in_i]/m
[in_i'Hg] - m[Hg].[in_i]/m
[PRU] - mm[Hg].s/ml
[wood'U] - mm[Hg].min/L
[diop] - /m
[p'diop] - =
%[slope] - =
[mesh_i] - /[in_i]
[Ch] - mm/3
[drp] - ml/20
[hnsf'U] - =
[MET] - 3.5 mL/min/kg
[hp'_X] - =
[hp'_C] - =
[hp'_M] - =
[hp'_Q] - =
[hp_X] - =
[hp_C] - =
[hp_M] - =
[hp_Q] - =
[kp_X] - =
[kp_C] - =
[kp_M] - =
[kp_Q] - =
# chemical and biological
eq * mol
osm * mol
[pH] - =
g% * g/dl
[S] - 10*-13.s
[HPF] - =
[LPF] - 100 [HPF]
kat * mol/s
U * umol/min
[iU] * =
[IU] * [iU]
[arb'U] - =
[USP'U] - =
[GPL'U] - =
[MPL'U] - =
[APL'U] - =
[beth'U] - =
[anti'Xa'U] - =
[todd'U] - =
[dye'U] - =
[smgy'U] - =
[bdsk'U] - =
[ka'U] - =
[knk'U] - =
[mclg'U] - =
[tb'U] - =
[CCID_50] - =
[TCID_50] - =
[EID_50] - =
[PFU] - =
[FFU] - =
[CFU] - =
[IR] - =
[BAU] - =
[AU] - =
[Amb'a'1'U] - =
[PNU] - =
[Lf] - =
[D'ag'U] - =
[FEU] - =
[ELU] - =
[EU] - =
# levels
Np * =
B * =
B[SPL] * =
B[V] * =
B[mV] * =
B[uV] * =
B[10.nV] * =
B[W] * =
B[kW] * =
# others
st * m3
Ao - 0.1 nm
b - 100 fm2
att - kgf/cm2
mho * S
[psi] - [lbf_av]/[in_i]2
circ - 2 [pi].rad
sph - 4 [pi].sr
[car_m] - 2e-1 g
[car_Au] - /24
[smoot] - 67 [in_i]
[m/s2/Hz^(1/2)] - =
[NTU] - =
[FNU] - =
# information
bit_s - =
bit * =
By * 8 bit
Bd * /s
"""
