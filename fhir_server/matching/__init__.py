"""Matching of patients in the manner of Fellegi and Sunter, pure: no store, no HTTP.

I. P. Fellegi, A. B. Sunter: A Theory for Record Linkage. Journal of the American Statistical Association 64
(1969), 1183-1210, https://doi.org/10.1080/01621459.1969.10501049
"""
