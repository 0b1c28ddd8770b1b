import{a}from"./chunk-TKL3UWV3.js";import"./chunk-Q4MMZQOB.js";import"./chunk-F3ZXH7RP.js";import"./chunk-XMDEHRJX.js";import"./chunk-5BETPCQ3.js";import"./chunk-IYWUY3VA.js";export{a as initialize};
