use super::grade;
